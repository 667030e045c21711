SELECT d.number FROM delivery AS d
WHERE d.number >= $1 AND d.number < $2
    AND (d.state = 'pending' OR EXISTS (SELECT 1 FROM event AS e WHERE e.position = d.position))
LIMIT $3
