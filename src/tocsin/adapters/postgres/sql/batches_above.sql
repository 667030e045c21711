WITH RECURSIVE chain (number) AS (
    SELECT value FROM unnest($1::bigint[]) AS given(value)
    UNION
    SELECT b.parent FROM batch AS b JOIN chain AS c ON b.number = c.number WHERE b.parent IS NOT NULL
)
SELECT number FROM chain ORDER BY number
