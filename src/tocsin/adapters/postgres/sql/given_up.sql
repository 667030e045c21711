SELECT g.endpoint, p.id, p.tenant, g.minute, CAST(sum(g.count) AS bigint), CAST(json_object_agg(g.reason, g.count) AS text),
    CAST(json_agg(to_json(g.delivery_ids)) AS text)
FROM given_up AS g JOIN endpoint AS p ON p.number = g.endpoint
WHERE g.minute < $1
GROUP BY g.endpoint, p.id, p.tenant, g.minute
ORDER BY g.endpoint, g.minute
LIMIT $2
