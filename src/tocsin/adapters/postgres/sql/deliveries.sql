-- Events are looked up by their deliveries, never the other way: `+ 0` keeps the planner from it.
SELECT d.number, d.id, d.tenant, p.id, e.id, e.type, e.subject_type, e.subject_id, d.state, d.reason, d.blocked, --? !numbers
    coalesce(b.attempts, d.attempts), d.created_at, coalesce(b.due_at, d.due_at), d.settled_at, r.id, d.endpoint, b.id, y.id, --? !numbers
    e.accepted_at, e.cloud IS NULL AND length(e.data) = 0, --? !numbers
    CASE WHEN p.deleted_at IS NULL THEN p.config END, d.batch, b.parent --? !numbers
SELECT d.number, d.endpoint, p.id, d.tenant --? numbers
FROM delivery AS d --? !pending
FROM pending_block AS w JOIN delivery AS d ON d.number >= w.block << 11 AND d.number < (w.block + 1) << 11 --? pending
    JOIN event AS e ON e.position = d.position + 0 --? !numbers
    JOIN event AS e ON e.position = d.position + 0 --? numbers !bare
    JOIN endpoint AS p ON p.number = d.endpoint
    LEFT JOIN delivery AS r ON r.number = d.resend_of --? !numbers
    LEFT JOIN batch AS b ON b.number = d.batch --? !numbers
    LEFT JOIN replay AS y ON y.number = d.lane AND d.lane > 0 --? !numbers
WHERE d.number > 0
    AND w.tenant = '' AND w.endpoint = 0 AND w.pending > 0 --? pending !tenant !endpoint
    AND w.tenant = :tenant AND w.endpoint = 0 AND w.pending > 0 --? pending tenant !endpoint
    AND w.tenant = (SELECT tenant FROM endpoint WHERE id = :endpoint) AND w.pending > 0 --? pending endpoint
    AND w.endpoint = (SELECT number FROM endpoint WHERE id = :endpoint) --? pending endpoint
    AND NOT EXISTS (SELECT FROM pending_block AS o WHERE o.tenant = w.tenant AND o.endpoint = w.endpoint --? pending
        AND o.block = w.block AND o.shard < w.shard AND o.pending > 0) --? pending
    AND w.block <= CAST(:before AS bigint) >> 11 --? pending before
    AND d.tenant = :tenant --? tenant
    AND d.id = :id --? id
    AND d.number < :before --? before !by_lane
    AND d.number + 0 < :before --? before by_lane
    AND d.number >= :floor --? floor !pending
    AND w.block >= CAST(:floor AS bigint) >> 11 --? floor pending
    AND d.endpoint = (SELECT number FROM endpoint WHERE id = :endpoint) --? endpoint
    AND d.batch = (SELECT number FROM batch WHERE id = :batch AND tenant = :tenant) --? batch tenant
    AND d.batch = (SELECT number FROM batch WHERE id = :batch) --? batch !tenant
    AND d.lane = (SELECT number FROM replay WHERE id = :replay AND tenant = :tenant) AND d.lane > 0 --? replay tenant
    AND d.lane = (SELECT number FROM replay WHERE id = :replay) AND d.lane > 0 --? replay !tenant
    AND d.position < coalesce((SELECT position FROM delivery WHERE number = :before), 1::bigint << 62) --? by_lane before
    AND e.position < coalesce((SELECT position FROM delivery WHERE number = :before), 1::bigint << 62) --? by_lane before !bare
    AND d.position = (SELECT position FROM event WHERE id = :event) --? event
    AND d.position IN (SELECT position FROM event WHERE subject_id = :subject_id AND subject_id <> '' AND tenant = :tenant) --? by_subject tenant
    AND d.position IN (SELECT position FROM event WHERE subject_id = :subject_id AND subject_id <> '') --? by_subject !tenant
    AND d.state = :state --? state
    AND d.state IN ('dead', 'cancelled') --? given_up
    AND d.reason = :reason --? reason
    AND e.type = :event_type --? event_type !bare
    AND e.type LIKE :event_pattern --? event_pattern !bare
    AND e.subject_type = :subject_type --? subject_type !bare
    AND e.subject_id = :subject_id --? subject_id !bare
    AND d.position >= :from_position --? from_position
    AND d.position < :to_position --? to_position
ORDER BY d.number DESC --? !pending !by_position !by_lane
ORDER BY d.number + 0 DESC --? by_position !pending
ORDER BY d.position DESC --? by_lane !by_position !pending
ORDER BY w.block DESC, d.number DESC --? pending
LIMIT :limit
