INSERT OR FAIL INTO delivery (number, id, tenant, endpoint, position, lane, state, blocked, due_at, step, at_once, attempts, created_at, resend_of)
VALUES /*row*/ (?, ?, ?, ?, ?, ?, 'pending', ?, ?, 0, 0, 0, ?, ?) /*row*/
