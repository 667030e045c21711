-- The plus sign keeps SQLite from reading all endpoints in this order: it finds what has moved by the index, and sorts that.
SELECT number, id, tenant, revision, active_from, created_at, config, deleted_at IS NOT NULL
FROM endpoint
WHERE moved > $1 AND (deleted_at IS NULL OR $2 > 0)
ORDER BY number
