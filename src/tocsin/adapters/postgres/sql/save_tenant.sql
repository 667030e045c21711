INSERT INTO tenant (name, version_counter, created_at)
SELECT * FROM unnest($1::text::text[], $2::text::bigint[], $3::text::bigint[])
ON CONFLICT (name) DO UPDATE SET version_counter = greatest(tenant.version_counter, excluded.version_counter)
