DELETE FROM version WHERE tenant = $1 AND version_id = ANY($2)
    AND NOT EXISTS (SELECT 1 FROM json_each(version.event_ids) AS j JOIN event AS e ON e.id = j.value)
