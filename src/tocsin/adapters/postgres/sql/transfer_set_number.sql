SELECT setval(CAST(coalesce(pg_get_serial_sequence($1, 'number'), $1 || '_number') AS regclass), $2)
