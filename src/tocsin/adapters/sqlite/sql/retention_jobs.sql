SELECT number, tenant, id, state, created_at, updated_at FROM job WHERE number > ? ORDER BY number LIMIT ?
