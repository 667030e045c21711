UPDATE endpoint SET deleted_at = ?, config = x'', revision = revision + 1,
    moved = (SELECT revision FROM directory WHERE one = 1)
WHERE number = ? AND revision = ? AND deleted_at IS NULL
