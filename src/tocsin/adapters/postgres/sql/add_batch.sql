INSERT INTO batch (id, tenant, endpoint, lane, parent, state, due_at, step, at_once, attempts, created_at, waits_for)
VALUES ($1, $2, $3, $4, $5, 'pending', $6, $7, 0, $8, $9, $10)
RETURNING number
