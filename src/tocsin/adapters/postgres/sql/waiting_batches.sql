SELECT b.endpoint, b.lane, min(b.due_at)
FROM batch AS b JOIN endpoint AS e ON e.number = b.endpoint
WHERE b.state = 'pending' AND e.partition = ANY($1) AND e.deleted_at IS NULL
GROUP BY b.endpoint, b.lane
