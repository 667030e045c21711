SELECT CAST(pg_current_xact_id() AS text)
