INSERT INTO given_up (endpoint, minute, reason, count, delivery_ids)
SELECT d.endpoint, $1, coalesce($2, d.reason, 'unknown') AS why, count(*), (array_agg(d.id ORDER BY d.number))[1:$5::integer]
FROM delivery AS d JOIN event AS e ON e.position = d.position
WHERE d.number = ANY($3::text::bigint[]) AND d.state = 'dead' AND e.subject_type <> ALL($4::text::text[])
GROUP BY d.endpoint, why
ORDER BY d.endpoint, why
ON CONFLICT (endpoint, minute, reason) DO UPDATE SET
    count = given_up.count + excluded.count,
    delivery_ids = (given_up.delivery_ids || excluded.delivery_ids)[1:$5::integer]
