-- One statement, and so of one moment: what is behind the head that it sees is not there yet.
SELECT least(head.position, $2::bigint + $4::bigint), e.position, e.id, e.tenant, e.type, e.subject_type, e.subject_id, e.verb, e.time, e.accepted_at,
    e.keys, e.cloud, e.data
FROM log_head AS head LEFT JOIN LATERAL (
    SELECT * FROM event
    WHERE event.position > $2 AND event.position <= $2::bigint + $4::bigint AND event.partition = ANY($1)
    ORDER BY event.position LIMIT $3
) AS e ON true
WHERE head.one = 1
ORDER BY e.position
