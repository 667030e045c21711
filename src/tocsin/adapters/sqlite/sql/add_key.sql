INSERT INTO api_key (id, name, role, tenant, hash, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (hash) DO NOTHING
