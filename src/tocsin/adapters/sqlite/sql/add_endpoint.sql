INSERT INTO endpoint (id, tenant, revision, active_from, created_at, config)
VALUES (?, ?, ?, (SELECT coalesce(max(position), 0) FROM event), ?, ?)
RETURNING number, active_from
