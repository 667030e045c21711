INSERT INTO given_up (endpoint, minute, reason, count, delivery_ids)
SELECT d.endpoint, :minute, coalesce(:reason, d.reason, 'unknown'), 1, json_array(d.id)
FROM delivery AS d JOIN event AS e ON e.position = d.position
WHERE d.number = ANY(:numbers) AND d.state = 'dead'
    AND e.subject_type <> ALL(:operational)
ON CONFLICT (endpoint, minute, reason) DO UPDATE SET
    count = count + 1,
    delivery_ids = CASE
        WHEN count < :named THEN json_insert(delivery_ids, '$[#]', excluded.delivery_ids ->> 0)
        ELSE delivery_ids
    END
