DELETE FROM version WHERE tenant = $1 AND version_id = ANY($2)
    AND NOT EXISTS (SELECT 1 FROM json_array_elements_text(CAST(version.event_ids AS json)) AS j (value) JOIN event AS e ON e.id = j.value)
