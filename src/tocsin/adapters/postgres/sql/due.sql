SELECT d.due_at, d.number, d.id, d.tenant, d.endpoint, d.lane, d.created_at, d.step, d.attempts, d.at_once,
    CASE WHEN d.lane = 0 AND d.resend_of IS NULL THEN e.accepted_at END,
    e.position, e.id, e.tenant, e.type, e.subject_type, e.subject_id, e.verb, e.time, e.accepted_at, e.keys, e.cloud, e.data
FROM delivery AS d JOIN event AS e ON e.position = d.position
WHERE d.endpoint = $1 AND d.lane = $2 AND d.state = 'pending' AND d.blocked = 0 AND d.batch IS NULL AND d.due_at <= $3
    AND (d.due_at, d.number) > ($4, $5)
ORDER BY d.due_at, d.number LIMIT $6
