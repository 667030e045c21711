SELECT 'event' AS name, position AS number FROM log_head WHERE one = 1
UNION ALL SELECT 'accepted_at', coalesce((SELECT accepted_at FROM event ORDER BY position DESC LIMIT 1), 0)
UNION ALL SELECT 'job', coalesce(max(number), 0) FROM job
UNION ALL SELECT 'delivery', coalesce(max(number), 0) FROM delivery
UNION ALL SELECT 'notice', coalesce(max(number), 0) FROM notice
UNION ALL SELECT name, coalesce(pg_sequence_last_value(CAST(pg_get_serial_sequence(name, 'number') AS regclass)), 0)
FROM unnest(ARRAY['endpoint', 'api_key', 'audit', 'replay', 'batch', 'erasure']) AS numbered (name)
