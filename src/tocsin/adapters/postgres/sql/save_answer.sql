INSERT INTO answer (tenant, route, key, body_hash, status, body, at)
SELECT * FROM unnest($1::text::text[], $2::text::text[], $3::text::text[], $4::bytea[], $5::text::bigint[], $6::bytea[], $7::text::bigint[])
ON CONFLICT (tenant, route, key) DO UPDATE
SET body_hash = excluded.body_hash, status = excluded.status, body = excluded.body, at = excluded.at
