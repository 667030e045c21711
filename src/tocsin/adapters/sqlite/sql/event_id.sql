SELECT id FROM event WHERE position = ?
