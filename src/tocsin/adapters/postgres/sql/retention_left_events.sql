SELECT l.number, e.tenant, e.type, e.accepted_at,
    CASE WHEN NOT EXISTS (SELECT 1 FROM delivery WHERE position = l.number AND state = 'pending')
    THEN greatest(e.accepted_at, coalesce((SELECT max(settled_at) FROM delivery WHERE position = l.number), 0)) END, CAST(0 AS bigint)
FROM retention_left AS l LEFT JOIN event AS e ON e.position = l.number
WHERE l.what = :what AND l.number > :after
ORDER BY l.number
LIMIT :limit
