SELECT b.number, b.tenant,
    CASE WHEN b.state <> 'split' OR NOT EXISTS (
        WITH RECURSIVE part (number) AS (
            SELECT b.number
            UNION ALL
            SELECT c.number FROM part JOIN batch AS c ON c.parent = part.number
        )
        SELECT 1 FROM part CROSS JOIN LATERAL (SELECT state FROM batch WHERE number = part.number LIMIT 1) AS p WHERE p.state = 'pending'
    ) THEN b.settled_at END,
    b.removed
FROM batch AS b
WHERE b.number > $1
ORDER BY b.number
LIMIT $2
