UPDATE endpoint SET revision = revision + 1, config = ?, moved = (SELECT revision FROM directory WHERE one = 1),
    active_from = CASE WHEN ? THEN (SELECT coalesce(max(position), 0) FROM event) ELSE active_from END
WHERE number = ? AND revision = ? AND deleted_at IS NULL
RETURNING revision, active_from
