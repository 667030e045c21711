INSERT INTO seen (tenant, hash, event_id, at)
SELECT * FROM unnest($1::text[], $2::bytea[], $3::text[], $4::bigint[])
