SELECT number, tenant, settled_at, removed FROM batch WHERE number > ? ORDER BY number LIMIT ?
