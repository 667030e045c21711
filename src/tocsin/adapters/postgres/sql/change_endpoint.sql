UPDATE endpoint SET revision = revision + 1, config = $1, moved = (SELECT revision FROM directory WHERE one = 1),
    active_from = CASE WHEN $2 THEN (SELECT position FROM log_head WHERE one = 1) ELSE active_from END
WHERE number = $3 AND revision = $4 AND deleted_at IS NULL
RETURNING revision, active_from
