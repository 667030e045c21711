SELECT number, id, tenant, endpoint, lane, step, at_once, attempts, created_at
FROM batch
WHERE number = ANY($1) AND state = 'pending' AND waits_for IS NULL
ORDER BY number
