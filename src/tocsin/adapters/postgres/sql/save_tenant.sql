INSERT INTO tenant (name, version_counter, created_at)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[])
ON CONFLICT (name) DO UPDATE SET version_counter = greatest(tenant.version_counter, excluded.version_counter)
