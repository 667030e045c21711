SELECT 'event' AS name, coalesce(max(position), 0) AS number FROM event
UNION ALL SELECT 'accepted_at', coalesce((SELECT accepted_at FROM event ORDER BY position DESC LIMIT 1), 0)
UNION ALL SELECT 'job', coalesce(max(number), 0) FROM job
UNION ALL SELECT 'delivery', coalesce(max(number), 0) FROM delivery
UNION ALL SELECT 'notice', coalesce(max(number), 0) FROM notice
UNION ALL SELECT name, seq FROM sqlite_sequence
