SELECT coalesce(min(position), 0) FROM cursor
