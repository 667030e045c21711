-- Transaction-scoped, and in one order: two that want the same never wait for each other.
SELECT pg_advisory_xact_lock($1::integer, slot) FROM unnest($2::text::integer[]) AS wanted (slot)
