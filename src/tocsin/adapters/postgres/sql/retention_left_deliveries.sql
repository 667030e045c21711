SELECT l.number, d.tenant, e.type, d.created_at, CASE WHEN d.state <> 'pending' THEN d.settled_at END, coalesce(d.endpoint, 0)
FROM retention_left AS l LEFT JOIN delivery AS d ON d.number = l.number LEFT JOIN event AS e ON e.position = d.position
WHERE l.what = :what AND l.number > :after
ORDER BY l.number
LIMIT :limit
