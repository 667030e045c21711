SELECT a.place, a.detail,
    coalesce(a.body, (SELECT c.body FROM batch_attempt AS c
        WHERE c.place < a.place AND c.place >= b.number << 20 AND c.body IS NOT NULL ORDER BY c.place DESC LIMIT 1)),
    p.id, p.deleted_at, b.state, b.attempts, b.id
FROM batch_attempt AS a JOIN batch AS b ON b.number = a.place >> 20 JOIN endpoint AS p ON p.number = b.endpoint
WHERE a.place = ANY($1::bigint[])
ORDER BY a.place
