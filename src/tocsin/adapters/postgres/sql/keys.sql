SELECT number, id, name, role, tenant, hash, created_at, expires_at, last_used_at
FROM api_key
WHERE revoked_at IS NULL
    AND tenant = :tenant --? tenant
    AND number < :before --? before
ORDER BY number DESC
LIMIT :limit --? limit
