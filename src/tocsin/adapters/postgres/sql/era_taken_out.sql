SELECT relname FROM pg_class
WHERE relkind = 'r' AND relname ~ '^(event|delivery|attempt)_[0-9]+_gone$'
    AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = CAST('event' AS regclass))
