SELECT number, id, tenant, endpoint, lane, step, at_once, attempts, created_at
FROM batch
WHERE endpoint = $1 AND lane = $2 AND state = 'pending' AND due_at <= $3 AND waits_for IS NULL
ORDER BY due_at, number LIMIT $4
