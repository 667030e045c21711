INSERT INTO receipt (id, tenant, at, status, body)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bytea[])
ON CONFLICT (id) DO NOTHING
