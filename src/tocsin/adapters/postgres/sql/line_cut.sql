SELECT min(l.delivery) FROM line AS l
WHERE l.delivery = ANY($1::text::bigint[]) AND (
    SELECT max(p.delivery) FROM line AS p
    WHERE p.endpoint = l.endpoint AND p.lane = l.lane AND p.key = l.key AND p.delivery < l.delivery
) <> ALL($1::text::bigint[])
