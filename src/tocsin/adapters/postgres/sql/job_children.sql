SELECT count(*) FROM (SELECT 1 FROM job WHERE parent = $1 AND tenant = $2 LIMIT 10000)
