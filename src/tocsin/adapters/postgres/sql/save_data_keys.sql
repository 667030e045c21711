INSERT INTO data_key (id, master_key, wrapped, created_at)
SELECT * FROM unnest($1::bigint[], $2::text[], $3::bytea[], $4::bigint[])
ON CONFLICT (id) DO UPDATE SET master_key = excluded.master_key, wrapped = excluded.wrapped
