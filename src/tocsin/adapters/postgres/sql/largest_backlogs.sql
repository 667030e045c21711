SELECT t.tenant, e.id, t.pending, t.dead
FROM (
    SELECT tenant, endpoint, pending, dead FROM tally WHERE endpoint > 0 AND pending > 0 ORDER BY pending DESC LIMIT :limit
) AS t JOIN endpoint AS e ON e.number = t.endpoint
ORDER BY t.pending DESC
