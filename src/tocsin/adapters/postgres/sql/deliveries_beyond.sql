SELECT 1 FROM delivery WHERE position >= $1 AND position < $2 LIMIT 1 OFFSET $3
