UPDATE event SET keys = $1 WHERE position = $2
