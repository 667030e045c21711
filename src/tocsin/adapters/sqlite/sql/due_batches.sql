SELECT number, id, tenant, endpoint, lane, step, at_once, attempts, created_at
FROM batch
WHERE endpoint = ? AND lane = ? AND state = 'pending' AND due_at <= ? AND waits_for IS NULL
ORDER BY due_at, number LIMIT ?
