INSERT INTO delivery (number, id, tenant, endpoint, position, lane, state, blocked, due_at, step, at_once, attempts, created_at, resend_of)
VALUES /*row*/ ($1, $2, $3, $4, $5, $6, 'pending', $7, $8, 0, 0, 0, $9, $10) /*row*/
