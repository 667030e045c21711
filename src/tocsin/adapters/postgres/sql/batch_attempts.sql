WITH RECURSIVE chain (number) AS (
    SELECT batch FROM delivery
    WHERE number = :delivery AND batch IS NOT NULL
        AND tenant = :tenant --? tenant
    UNION
    SELECT batch FROM batch_left
    WHERE delivery = :delivery
        AND EXISTS (SELECT 1 FROM delivery WHERE number = :delivery AND tenant = :tenant) --? tenant
    UNION
    SELECT b.parent FROM batch AS b JOIN chain AS c ON b.number = c.number WHERE b.parent IS NOT NULL
)
SELECT a.place, a.detail, a.body
FROM chain AS c JOIN batch_attempt AS a ON a.place >= c.number << 20 AND a.place < (c.number + 1) << 20
ORDER BY a.place
LIMIT 1000
