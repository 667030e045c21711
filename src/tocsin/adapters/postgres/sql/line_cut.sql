WITH given AS MATERIALIZED (SELECT value AS delivery FROM unnest($1::bigint[]) AS given(value))
SELECT min(l.delivery) FROM given AS g JOIN line AS l ON l.delivery = g.delivery
WHERE (
    SELECT max(p.delivery) FROM line AS p
    WHERE p.endpoint = l.endpoint AND p.lane = l.lane AND p.key = l.key AND p.delivery < l.delivery
) NOT IN (SELECT delivery FROM given)
