-- By number each is found at once: the index of what is pending would do too, and be read as a whole. Joined one by one, eras are passed over.
SELECT d.number, d.id, d.tenant, d.endpoint, d.lane, d.created_at, d.step, d.attempts, d.at_once,
    CASE WHEN d.lane = 0 AND d.resend_of IS NULL THEN e.accepted_at END,
    e.position, e.id, e.tenant, e.type, e.subject_type, e.subject_id, e.verb, e.time, e.accepted_at, e.keys, e.cloud, e.data
FROM unnest($1::text::bigint[]) AS asked (number) JOIN delivery AS d ON d.number = asked.number JOIN event AS e ON e.position = d.position
WHERE d.state NOT IN ('delivered', 'dead', 'cancelled') AND d.batch IS NULL
ORDER BY d.number
