UPDATE delivery SET batch = ?
WHERE number IN (SELECT value FROM carray(?)) AND state = 'pending' AND blocked = 0 AND batch IS NULL
RETURNING number
