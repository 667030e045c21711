SELECT coalesce(max(position), 0) FROM event
    WHERE tenant = :tenant --? tenant
