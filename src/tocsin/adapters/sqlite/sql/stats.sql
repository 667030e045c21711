SELECT
    (SELECT count(*) FROM delivery WHERE state <> 'delivered' AND state = 'pending'
        AND tenant = :tenant --? tenant
    ),
    (SELECT count(*) FROM delivery WHERE state <> 'delivered' AND state = 'dead'
        AND tenant = :tenant --? tenant
    ),
    (SELECT min(created_at) FROM delivery WHERE state <> 'delivered' AND state = 'pending'
        AND tenant = :tenant --? tenant
    ),
    (SELECT coalesce(max(position), 0) FROM event
        WHERE tenant = :tenant --? tenant
    )
