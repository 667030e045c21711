UPDATE answer SET body_hash = x'', body = x'' WHERE tenant = ? AND route = ? AND key = ? AND at = ?
