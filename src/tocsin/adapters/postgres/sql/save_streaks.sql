INSERT INTO streak (tenant, hash, failures, at)
SELECT * FROM unnest($1::text::text[], $2::bytea[], $3::text::bigint[], $4::text::bigint[])
ON CONFLICT (tenant, hash) DO UPDATE SET failures = excluded.failures, at = excluded.at
