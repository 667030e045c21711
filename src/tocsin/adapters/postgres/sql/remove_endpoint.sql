UPDATE endpoint SET deleted_at = $1, config = ''::bytea, revision = revision + 1,
    moved = (SELECT revision FROM directory WHERE one = 1)
WHERE number = $2 AND revision = $3 AND deleted_at IS NULL
