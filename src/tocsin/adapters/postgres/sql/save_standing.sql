INSERT INTO standing (endpoint, state, moved)
SELECT $1::bigint, $2::bytea, (SELECT number FROM revision WHERE what = 'standings')
WHERE NOT EXISTS (SELECT 1 FROM endpoint WHERE number = $1::bigint AND deleted_at IS NOT NULL)
ON CONFLICT (endpoint) DO UPDATE SET state = excluded.state, moved = excluded.moved
