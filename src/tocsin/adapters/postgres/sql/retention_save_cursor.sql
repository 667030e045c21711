INSERT INTO retention_cursor (what, scope, keep, policy, position) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (what, scope, keep) DO UPDATE SET policy = excluded.policy, position = excluded.position
