SELECT count(*) FROM (SELECT 1 FROM job WHERE parent = ? AND tenant = ? LIMIT 10000)
