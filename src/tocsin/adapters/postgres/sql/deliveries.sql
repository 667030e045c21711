SELECT d.number, d.id, d.tenant, p.id, e.id, e.type, e.subject_type, e.subject_id, d.state, d.reason, d.blocked,
    coalesce(b.attempts, d.attempts), d.created_at, coalesce(b.due_at, d.due_at), d.settled_at, r.id, d.endpoint, b.id, y.id
FROM delivery AS d --? !pending
FROM pending_block AS w JOIN delivery AS d ON d.number >= w.block << 11 AND d.number < (w.block + 1) << 11 --? pending
    JOIN event AS e ON e.position = d.position
    JOIN endpoint AS p ON p.number = d.endpoint
    LEFT JOIN delivery AS r ON r.number = d.resend_of
    LEFT JOIN batch AS b ON b.number = d.batch
    LEFT JOIN replay AS y ON y.number = d.lane AND d.lane > 0
WHERE d.number > 0
    AND w.tenant = '' AND w.endpoint = 0 AND w.pending > 0 --? pending !tenant !endpoint
    AND w.tenant = :tenant AND w.endpoint = 0 AND w.pending > 0 --? pending tenant !endpoint
    AND w.tenant = (SELECT tenant FROM endpoint WHERE id = :endpoint) AND w.pending > 0 --? pending endpoint
    AND w.endpoint = (SELECT number FROM endpoint WHERE id = :endpoint) --? pending endpoint
    AND w.block <= CAST(:before AS bigint) >> 11 --? pending before
    AND d.tenant = :tenant --? tenant
    AND d.id = :id --? id
    AND d.number < :before --? before
    AND d.number >= :floor --? floor !pending
    AND w.block >= CAST(:floor AS bigint) >> 11 --? floor pending
    AND d.endpoint = (SELECT number FROM endpoint WHERE id = :endpoint) --? endpoint
    AND d.position = (SELECT position FROM event WHERE id = :event) --? event
    AND d.position IN (SELECT position FROM event WHERE subject_type = 'job' AND subject_id = :job AND subject_id <> '') --? job
    AND d.state = :state --? state
    AND d.state IN ('dead', 'cancelled') --? given_up
    AND e.type = :event_type --? event_type
    AND d.position >= :from_position --? from_position
    AND d.position < :to_position --? to_position
ORDER BY d.number DESC --? !pending
ORDER BY w.block DESC, d.number DESC --? pending
LIMIT :limit
