INSERT INTO standing (endpoint, state)
SELECT $1, $2 WHERE NOT EXISTS (SELECT 1 FROM endpoint WHERE number = $1 AND deleted_at IS NOT NULL)
ON CONFLICT (endpoint) DO UPDATE SET state = excluded.state
