SELECT d.lane, d.blocked, d.due_at, d.number
    , d.position, e.type --? event
FROM delivery AS d
    JOIN event AS e ON e.position = d.position --? event
WHERE d.endpoint = $1 AND d.state = 'pending' AND (d.lane, d.blocked, d.due_at, d.number) > ($2, $3, $4, $5)
ORDER BY d.lane, d.blocked, d.due_at, d.number LIMIT $6
