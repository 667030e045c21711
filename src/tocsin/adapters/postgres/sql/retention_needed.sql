SELECT e.position FROM event AS e
WHERE (
    e.accepted_at > $1
    OR e.position >= (SELECT position FROM log_head WHERE one = 1)
    OR e.position > (SELECT min(position) FROM cursor)
    OR EXISTS (
        SELECT 1 FROM delivery AS d
        WHERE d.position = e.position AND (
            d.state = 'pending'
            OR d.settled_at > $1
            OR d.number >= (SELECT max(number) FROM delivery)
            OR (d.lane > 0 AND EXISTS (SELECT 1 FROM replay AS r WHERE r.number = d.lane AND r.finished_at IS NULL))
            OR EXISTS (SELECT 1 FROM batch AS b WHERE b.number = d.batch AND b.state = 'pending')
            OR EXISTS (SELECT 1 FROM line AS l WHERE l.delivery = d.number)
        )
    )
    OR EXISTS (
        SELECT 1 FROM replay AS r
        WHERE r.finished_at IS NULL AND r.tenant = e.tenant AND e.position > r.position AND e.position <= r.last
    )
) AND e.position = ANY($2)
