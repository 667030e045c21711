INSERT INTO data_key (id, master_key, wrapped, created_at) VALUES /*row*/ ($1, $2, $3, $4) /*row*/
ON CONFLICT (id) DO UPDATE SET master_key = excluded.master_key, wrapped = excluded.wrapped
