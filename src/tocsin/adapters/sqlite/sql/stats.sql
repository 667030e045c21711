SELECT
    (SELECT count(*) FROM delivery WHERE state = 'pending' AND endpoint IN (SELECT number FROM endpoint
        WHERE tenant = :tenant --? tenant
    )),
    (SELECT count(*) FROM delivery WHERE state IN ('dead', 'cancelled') AND state = 'dead'
        AND tenant = :tenant --? tenant
    ),
    (SELECT min(created_at) FROM delivery WHERE state = 'pending' AND endpoint IN (SELECT number FROM endpoint
        WHERE tenant = :tenant --? tenant
    )),
    (SELECT coalesce(max(position), 0) FROM event
        WHERE tenant = :tenant --? tenant
    )
