SELECT d.number, d.state, coalesce(d.reason, '') = 'expired', CASE WHEN d.lane = 0 AND d.resend_of IS NULL THEN e.accepted_at END
FROM delivery AS d JOIN event AS e ON e.position = d.position
WHERE d.batch = ?
