WITH given AS MATERIALIZED (SELECT value AS number FROM unnest($1::bigint[]) AS given(value))
SELECT d.batch FROM given AS g JOIN delivery AS d ON d.number = g.number WHERE d.batch IS NOT NULL
UNION
SELECT l.batch FROM given AS g JOIN batch_left AS l ON l.delivery = g.number
