SELECT d.number, d.id, d.endpoint, coalesce(e.subject_type, ''), d.created_at, d.batch
FROM delivery AS d LEFT JOIN event AS e ON e.position = d.position
WHERE d.state = 'pending' AND d.batch = ANY($1)
