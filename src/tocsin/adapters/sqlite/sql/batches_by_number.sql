SELECT number, id, tenant, endpoint, lane, step, at_once, attempts, created_at
FROM batch
WHERE number IN (SELECT value FROM carray(?)) AND state = 'pending' AND waits_for IS NULL
ORDER BY number
