DELETE FROM version WHERE tenant = ? AND version_id IN (SELECT value FROM carray(?))
    AND NOT EXISTS (SELECT 1 FROM json_each(version.event_ids) AS j JOIN event AS e ON e.id = j.value)
