INSERT INTO retention_left (what, number) SELECT $1, unnest($2::text::bigint[])
ON CONFLICT DO NOTHING
