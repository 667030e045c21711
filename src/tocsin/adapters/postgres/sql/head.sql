SELECT coalesce(max(position), 0), coalesce((SELECT accepted_at FROM event ORDER BY position DESC LIMIT 1), 0) FROM event
