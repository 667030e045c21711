SELECT t.tenant, e.id, t.pending, t.dead
FROM (
    SELECT tenant, endpoint, sum(pending)::bigint AS pending, sum(dead)::bigint AS dead FROM tally WHERE endpoint > 0
    GROUP BY tenant, endpoint HAVING sum(pending) > 0 ORDER BY pending DESC LIMIT :limit
) AS t JOIN endpoint AS e ON e.number = t.endpoint
ORDER BY t.pending DESC
