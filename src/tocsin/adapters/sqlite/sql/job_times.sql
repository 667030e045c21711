SELECT id, created_at, updated_at FROM job WHERE tenant = ? AND id IN (SELECT value FROM carray(?))
