SELECT position FROM event WHERE position = ANY($1) AND cloud IS NULL AND length(data) = 0 LIMIT 1
