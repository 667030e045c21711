INSERT INTO erasure (id, tenant, subject_type, subject_id, state, last, progress, created_at)
VALUES (?, ?, ?, ?, 'running', (SELECT coalesce(max(position), 0) FROM event), ?, ?)
RETURNING number, last
