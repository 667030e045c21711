SELECT block, min(since) FROM pending_block WHERE tenant = $1 AND endpoint = $2 GROUP BY block HAVING sum(pending) > 0 ORDER BY block LIMIT 1
