SELECT position, number, endpoint, state = 'pending', batch
FROM delivery
WHERE position = ANY($1) AND (position, number) > ($2, $3)
ORDER BY position, number LIMIT $4
