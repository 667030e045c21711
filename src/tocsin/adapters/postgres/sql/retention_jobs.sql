SELECT number, tenant, state, updated_at FROM job WHERE number > $1 ORDER BY number LIMIT $2
