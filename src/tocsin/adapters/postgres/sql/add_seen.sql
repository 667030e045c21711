INSERT INTO seen (tenant, hash, event_id, at)
SELECT * FROM unnest($1::text::text[], $2::bytea[], $3::text::text[], $4::text::bigint[])
