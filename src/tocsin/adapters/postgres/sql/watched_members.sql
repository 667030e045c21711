SELECT d.number, d.id, d.tenant, d.endpoint, d.lane, d.created_at, d.step, d.attempts, d.at_once,
    CASE WHEN d.lane = 0 AND d.resend_of IS NULL THEN e.accepted_at END,
    e.position, e.id, e.tenant, e.type, e.subject_type, e.subject_id, e.verb, e.time, e.accepted_at, e.keys, e.cloud, e.data
FROM (
    SELECT number FROM delivery WHERE batch = $1
    UNION
    SELECT delivery FROM batch_left WHERE batch = $1
) AS member JOIN delivery AS d ON d.number = member.number JOIN event AS e ON e.position = d.position
ORDER BY d.number
