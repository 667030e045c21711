SELECT number, id, tenant, revision, active_from, created_at, config
FROM endpoint
WHERE deleted_at IS NULL
    AND tenant = :tenant --? tenant
    AND number < :before --? before
    AND id = :id --? id
ORDER BY number DESC
LIMIT :limit --? limit
