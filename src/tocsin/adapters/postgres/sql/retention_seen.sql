SELECT tenant, hash, at <= :before AND NOT EXISTS (SELECT 1 FROM event WHERE id = seen.event_id)
FROM seen WHERE (tenant, hash) > (:tenant, :key) ORDER BY tenant, hash LIMIT :limit
