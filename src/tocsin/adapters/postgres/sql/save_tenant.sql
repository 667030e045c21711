INSERT INTO tenant (name, version_counter, created_at) VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE SET version_counter = greatest(tenant.version_counter, excluded.version_counter)
