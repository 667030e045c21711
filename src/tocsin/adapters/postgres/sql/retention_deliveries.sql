SELECT d.number, d.tenant, e.type, d.created_at, CASE WHEN d.state <> 'pending' THEN d.settled_at END, d.endpoint
FROM delivery AS d LEFT JOIN event AS e ON e.position = d.position
WHERE d.number > :after
    AND d.tenant = :scope --? scope
ORDER BY d.number
LIMIT :limit
