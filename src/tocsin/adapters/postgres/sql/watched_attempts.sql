SELECT a.detail,
    coalesce(a.body, (SELECT b.body FROM attempt AS b
        WHERE b.place < a.place AND b.place >= d.number << 20 AND b.body IS NOT NULL ORDER BY b.place DESC LIMIT 1)),
    p.id, p.deleted_at, d.state, d.attempts,
    d.number, d.id, d.tenant, d.endpoint, d.lane, d.created_at, d.step, d.attempts, d.at_once,
    CASE WHEN d.lane = 0 AND d.resend_of IS NULL THEN e.accepted_at END,
    e.position, e.id, e.tenant, e.type, e.subject_type, e.subject_id, e.verb, e.time, e.accepted_at, e.keys, e.cloud, e.data
FROM attempt AS a JOIN delivery AS d ON d.number = a.place >> 20
JOIN event AS e ON e.position = d.position JOIN endpoint AS p ON p.number = d.endpoint
WHERE a.place = ANY($1::bigint[])
ORDER BY a.place
