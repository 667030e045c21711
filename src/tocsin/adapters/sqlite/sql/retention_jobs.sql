SELECT number, tenant, state, updated_at FROM job WHERE number > ? ORDER BY number LIMIT ?
