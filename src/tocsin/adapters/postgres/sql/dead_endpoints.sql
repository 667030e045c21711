SELECT e.number, e.id, e.tenant, e.revision, e.active_from, e.created_at, e.config, t.dead
FROM tally AS t JOIN endpoint AS e ON e.number = t.endpoint
WHERE t.endpoint > 0 AND t.dead > 0 AND e.deleted_at IS NULL
    AND t.tenant = :tenant --? tenant
    AND e.id = :endpoint --? endpoint
ORDER BY t.dead DESC, e.number
LIMIT :most
