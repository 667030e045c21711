WITH RECURSIVE chain (number) AS (
    SELECT unnest($1::text::bigint[])
    UNION
    SELECT b.parent FROM batch AS b JOIN chain AS c ON b.number = c.number WHERE b.parent IS NOT NULL
)
SELECT number FROM chain ORDER BY number
