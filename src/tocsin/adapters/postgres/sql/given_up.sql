SELECT g.endpoint, p.id, p.tenant, g.minute, sum(g.count), json_group_object(g.reason, g.count),
    json_group_array(json(g.delivery_ids))
FROM given_up AS g JOIN endpoint AS p ON p.number = g.endpoint
WHERE g.minute < $1
GROUP BY g.endpoint, g.minute
LIMIT $2
