INSERT INTO committed (writer, number, at) VALUES ($1::text, $2::bigint, now())
ON CONFLICT (writer) DO UPDATE SET number = excluded.number, at = excluded.at
