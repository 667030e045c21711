INSERT INTO attempt (place, detail, body)
SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bytea[])
ON CONFLICT (place) DO UPDATE SET detail = excluded.detail, body = excluded.body
