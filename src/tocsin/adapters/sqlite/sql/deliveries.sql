SELECT d.number, d.id, d.tenant, p.id, e.id, e.type, e.subject_type, e.subject_id, d.state, d.reason, d.blocked, --? !numbers
    coalesce(b.attempts, d.attempts), d.created_at, coalesce(b.due_at, d.due_at), d.settled_at, r.id, d.endpoint, b.id, y.id, --? !numbers
    e.accepted_at, e.cloud IS NULL AND length(e.data) = 0, --? !numbers
    CASE WHEN p.deleted_at IS NULL THEN p.config END, d.batch, b.parent --? !numbers
SELECT d.number, d.endpoint, p.id, d.tenant --? numbers
FROM delivery AS d --? !pending
FROM pending_block AS w CROSS JOIN delivery AS d ON d.number >= w.block << 11 AND d.number < (w.block + 1) << 11 --? pending
    CROSS JOIN event AS e ON e.position = d.position --? !bare
    CROSS JOIN endpoint AS p ON p.number = d.endpoint
    LEFT JOIN delivery AS r ON r.number = d.resend_of --? !numbers
    LEFT JOIN batch AS b ON b.number = d.batch --? !numbers
    LEFT JOIN replay AS y ON y.number = d.lane AND d.lane > 0 --? !numbers
WHERE +d.number > 0
    AND w.tenant = '' AND w.endpoint = 0 AND w.pending > 0 --? pending !tenant !endpoint
    AND w.tenant = :tenant AND w.endpoint = 0 AND w.pending > 0 --? pending tenant !endpoint
    AND w.tenant = (SELECT tenant FROM endpoint WHERE id = :endpoint) AND w.pending > 0 --? pending endpoint
    AND w.endpoint = (SELECT number FROM endpoint WHERE id = :endpoint) --? pending endpoint
    AND w.block <= :before >> 11 --? pending before
    AND d.tenant = :tenant --? tenant !endpoint !id !by_position !pending !replay !batch
    AND +d.tenant = :tenant --? tenant
    AND d.id = :id --? id
    AND d.number < :before --? before !by_position !pending !by_lane
    AND +d.number < :before --? before
    AND d.number >= :floor --? floor !pending
    AND w.block >= :floor >> 11 --? floor pending
    AND d.endpoint = (SELECT number FROM endpoint WHERE id = :endpoint AND tenant = :tenant) --? endpoint tenant !by_position !pending !replay !batch
    AND d.endpoint = (SELECT number FROM endpoint WHERE id = :endpoint) --? endpoint !tenant !by_position !pending !replay !batch
    AND +d.endpoint = (SELECT number FROM endpoint WHERE id = :endpoint) --? endpoint
    AND d.batch = (SELECT number FROM batch WHERE id = :batch AND tenant = :tenant) --? batch tenant
    AND d.batch = (SELECT number FROM batch WHERE id = :batch) --? batch !tenant
    AND d.lane = (SELECT number FROM replay WHERE id = :replay AND tenant = :tenant) AND d.lane > 0 --? replay tenant
    AND d.lane = (SELECT number FROM replay WHERE id = :replay) AND d.lane > 0 --? replay !tenant
    AND d.position < coalesce((SELECT position FROM delivery WHERE number = :before), 1 << 62) --? by_lane before
    AND d.position = (SELECT position FROM event WHERE id = :event) --? event
    AND d.position IN (SELECT value FROM carray(:among)) --? among
    AND d.state = :state --? state !pending
    AND +d.state = :state --? state
    AND d.state IN ('dead', 'cancelled') --? given_up
    AND d.reason = :reason --? reason
    AND e.type = :event_type --? event_type !bare
    AND e.type GLOB :event_glob --? event_glob !bare
    AND e.subject_type = :subject_type --? subject_type !bare
    AND e.subject_id = :subject_id --? subject_id !bare
    AND d.position >= :from_position --? from_position by_position !event !among
    AND d.position < :to_position --? to_position by_position !event !among
    AND +d.position >= :from_position --? from_position
    AND +d.position < :to_position --? to_position
ORDER BY d.number DESC --? !pending !by_position !by_lane
ORDER BY +d.number DESC --? by_position !pending
ORDER BY d.position DESC --? by_lane !by_position !pending
ORDER BY w.block DESC, d.number DESC --? pending
LIMIT :limit
