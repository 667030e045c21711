-- The lowest that no session has; the lock lasts as long as ours.
SELECT shard FROM generate_series(0, 1023) AS free (shard) WHERE pg_try_advisory_lock($1, shard) LIMIT 1
