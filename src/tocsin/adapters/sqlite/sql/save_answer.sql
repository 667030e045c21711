INSERT INTO answer (tenant, route, key, body_hash, status, body, at) VALUES /*row*/ (?, ?, ?, ?, ?, ?, ?) /*row*/
ON CONFLICT (tenant, route, key) DO UPDATE
SET body_hash = excluded.body_hash, status = excluded.status, body = excluded.body, at = excluded.at
