DELETE FROM event WHERE position = ANY($1)
