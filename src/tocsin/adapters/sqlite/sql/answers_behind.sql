SELECT tenant, route, key, body, at FROM answer WHERE tenant = ? AND (route, key) > (?, ?) ORDER BY route, key LIMIT ?
