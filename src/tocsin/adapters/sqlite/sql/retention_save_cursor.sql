INSERT INTO retention_cursor (what, scope, keep, policy, position) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (what, scope, keep) DO UPDATE SET policy = excluded.policy, position = excluded.position
