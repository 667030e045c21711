INSERT INTO delivery (number, id, tenant, endpoint, position, lane, state, blocked, due_at, step, at_once, attempts, created_at, resend_of)
SELECT number, id, tenant, endpoint, position, lane, 'pending', blocked, due_at, 0, 0, 0, created_at, $1
FROM unnest($2::text::text[], $3::text::text[], $4::text::bigint[], $5::text::bigint[], $6::text::bigint[], $7::text::bigint[],
    $8::text::bigint[], $9::text::bigint[], $10::text::bigint[])
    AS new (id, tenant, endpoint, position, lane, due_at, created_at, number, blocked)
