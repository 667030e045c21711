INSERT INTO streak (tenant, hash, failures, at)
SELECT * FROM unnest($1::text[], $2::bytea[], $3::bigint[], $4::bigint[])
ON CONFLICT (tenant, hash) DO UPDATE SET failures = excluded.failures, at = excluded.at
