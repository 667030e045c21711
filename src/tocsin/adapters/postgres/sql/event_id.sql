SELECT id FROM event WHERE position = $1
