INSERT INTO answer (tenant, route, key, body_hash, status, body, at) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (tenant, route, key) DO UPDATE
SET body_hash = excluded.body_hash, status = excluded.status, body = excluded.body, at = excluded.at
