SELECT coalesce(max(oldest), 0) FROM migration
