SELECT d.number, d.id, d.tenant, p.id, e.id, e.type, e.subject_type, e.subject_id, d.state, d.reason, d.blocked,
    coalesce(b.attempts, d.attempts), d.created_at, coalesce(b.due_at, d.due_at), d.settled_at, r.id, d.endpoint, b.id, y.id,
    e.accepted_at, e.cloud IS NULL AND length(e.data) = 0,
    CASE WHEN p.deleted_at IS NULL THEN p.config END, d.batch, b.parent
FROM event AS e CROSS JOIN delivery AS d ON d.position = e.position
    CROSS JOIN endpoint AS p ON p.number = d.endpoint
    LEFT JOIN delivery AS r ON r.number = d.resend_of
    LEFT JOIN batch AS b ON b.number = d.batch
    LEFT JOIN replay AS y ON y.number = d.lane AND d.lane > 0
WHERE e.position IN (SELECT value FROM carray(?)) AND +e.tenant = ?
ORDER BY e.position DESC
LIMIT ?
