-- Not `state = 'pending'`: the index of what is pending would do for that, and be read as a whole. By number each is found at once.
SELECT d.number, d.id, d.tenant, d.endpoint, d.lane, d.created_at, d.step, d.attempts, d.at_once,
    CASE WHEN d.lane = 0 AND d.resend_of IS NULL THEN e.accepted_at END,
    e.position, e.id, e.tenant, e.type, e.subject_type, e.subject_id, e.verb, e.time, e.accepted_at, e.keys, e.cloud, e.data
FROM delivery AS d JOIN event AS e ON e.position = d.position
WHERE d.number = ANY($1::text::bigint[]) AND d.state NOT IN ('delivered', 'dead', 'cancelled') AND d.batch IS NULL
ORDER BY d.number
