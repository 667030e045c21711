SELECT e.number, e.id, e.tenant, e.revision, e.active_from, e.created_at, e.config, sum(t.dead)::bigint AS dead
FROM tally AS t JOIN endpoint AS e ON e.number = t.endpoint
WHERE t.endpoint > 0 AND e.deleted_at IS NULL
    AND t.tenant = :tenant --? tenant
    AND e.id = :endpoint --? endpoint
GROUP BY e.number
HAVING sum(t.dead) > 0
ORDER BY dead DESC, e.number
LIMIT :most
