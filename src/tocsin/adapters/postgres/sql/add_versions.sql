INSERT INTO version (tenant, version_id, content_hash, event_ids)
SELECT * FROM unnest($1::text::text[], $2::text::bigint[], $3::bytea[], $4::text::text[])
