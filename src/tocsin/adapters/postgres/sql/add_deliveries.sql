INSERT INTO delivery (number, id, tenant, endpoint, position, lane, state, blocked, due_at, step, at_once, attempts, created_at, resend_of)
SELECT number, id, tenant, endpoint, position, lane, 'pending', blocked, due_at, 0, 0, 0, created_at, resend_of
FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[],
    $10::bigint[]) AS new (number, id, tenant, endpoint, position, lane, blocked, due_at, created_at, resend_of)
