SELECT tenant, version_id,
    NOT EXISTS (SELECT 1 FROM json_array_elements_text(CAST(version.event_ids AS json)) AS j (value) JOIN event AS e ON e.id = j.value)
FROM version WHERE (tenant, version_id) > (:tenant, :key) ORDER BY tenant, version_id LIMIT :limit
