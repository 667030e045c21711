SELECT d.position FROM delivery AS d JOIN event AS e ON e.position = d.position
WHERE d.number = $1 AND (e.cloud IS NOT NULL OR length(e.data) > 0)
    AND NOT EXISTS (SELECT 1 FROM endpoint AS p WHERE p.number = d.endpoint AND p.deleted_at IS NOT NULL)
