SELECT tenant, route, key, body, at FROM answer WHERE tenant = $1 AND (route, key) > ($2, $3) ORDER BY route, key LIMIT $4
