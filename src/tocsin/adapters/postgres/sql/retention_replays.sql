SELECT number, tenant, finished_at FROM replay WHERE number > $1 ORDER BY number LIMIT $2
