SELECT d.blocked, length(e.data) FROM delivery AS d JOIN event AS e ON e.position = d.position
WHERE d.number = ? AND d.state = 'pending' AND d.batch IS NULL AND d.due_at <= ?
