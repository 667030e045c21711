SELECT d.lane, d.blocked, d.due_at, d.number
    , d.position, e.type --? event
FROM delivery AS d
    CROSS JOIN event AS e ON e.position = d.position --? event
WHERE d.endpoint = ? AND d.state = 'pending' AND (d.lane, d.blocked, d.due_at, d.number) > (?, ?, ?, ?)
ORDER BY d.lane, d.blocked, d.due_at, d.number LIMIT ?
