SELECT DISTINCT d.position FROM delivery AS d
WHERE d.position >= $1 AND d.position < $2 AND (
    d.state IN ('pending', 'dead')
    OR d.settled_at > $3
    OR d.number >= $4
    OR (d.lane > 0 AND EXISTS (SELECT 1 FROM replay AS r WHERE r.number = d.lane AND r.finished_at IS NULL))
    OR EXISTS (SELECT 1 FROM batch AS b WHERE b.number = d.batch AND b.state = 'pending')
    OR EXISTS (SELECT 1 FROM line AS l WHERE l.delivery = d.number)
)
LIMIT $5
