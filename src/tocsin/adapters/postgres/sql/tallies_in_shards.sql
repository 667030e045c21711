SELECT DISTINCT tenant, endpoint FROM tally WHERE shard > 0 ORDER BY tenant, endpoint LIMIT $1
