UPDATE event SET keys = ? WHERE position = ?
