INSERT INTO erasure (id, tenant, subject_type, subject_id, state, last, progress, created_at)
VALUES ($1, $2, $3, $4, 'running', (SELECT position FROM log_head WHERE one = 1), $5, $6)
RETURNING number, last
