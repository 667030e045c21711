INSERT INTO endpoint (id, tenant, revision, active_from, created_at, config, moved)
VALUES (?, ?, ?, (SELECT coalesce(max(position), 0) FROM event), ?, ?, (SELECT revision FROM directory WHERE one = 1))
RETURNING number, active_from
