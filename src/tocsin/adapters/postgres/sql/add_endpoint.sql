INSERT INTO endpoint (id, tenant, revision, active_from, created_at, config, moved, partition)
VALUES ($1, $2, $3, (SELECT position FROM log_head WHERE one = 1), $4, $5, (SELECT revision FROM directory WHERE one = 1), $6)
RETURNING number, active_from
