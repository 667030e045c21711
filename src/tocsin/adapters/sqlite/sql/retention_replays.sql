SELECT number, tenant, finished_at FROM replay WHERE number > ? ORDER BY number LIMIT ?
