-- Who stands behind a delivery in each of its lines; with its count of lines it does not head, if it is due and in no batch.
SELECT behind.delivery, d.blocked
FROM line AS l CROSS JOIN LATERAL (
    SELECT b.delivery FROM line AS b
    WHERE b.endpoint = l.endpoint AND b.lane = l.lane AND b.key = l.key AND b.delivery > l.delivery
    ORDER BY b.delivery LIMIT 1
) AS behind
    LEFT JOIN delivery AS d ON d.number = behind.delivery AND d.state = 'pending' AND d.batch IS NULL AND d.due_at <= $2
WHERE l.delivery = $1
ORDER BY l.key
