SELECT id, master_key, wrapped, created_at FROM data_key ORDER BY id
