INSERT INTO data_key (id, master_key, wrapped, created_at)
SELECT * FROM unnest($1::text::bigint[], $2::text::text[], $3::bytea[], $4::text::bigint[])
ON CONFLICT (id) DO UPDATE SET master_key = excluded.master_key, wrapped = excluded.wrapped
