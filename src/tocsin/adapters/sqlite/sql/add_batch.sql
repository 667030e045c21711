INSERT INTO batch (id, tenant, endpoint, lane, parent, state, due_at, step, at_once, attempts, created_at, waits_for)
VALUES (?, ?, ?, ?, ?, 'pending', ?, ?, 0, ?, ?, ?)
RETURNING number
