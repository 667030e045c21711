SELECT pg_xact_status(CAST($1::text AS xid8))
