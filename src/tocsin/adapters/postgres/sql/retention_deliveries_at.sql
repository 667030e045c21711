SELECT number, position FROM delivery WHERE position = ANY($1) LIMIT 512
