UPDATE delivery SET batch = ? WHERE number IN (SELECT value FROM carray(?)) AND state = 'pending' AND batch IS NULL
