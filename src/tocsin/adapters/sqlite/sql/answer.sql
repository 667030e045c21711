SELECT body_hash, status, body FROM answer WHERE tenant = ? AND route = ? AND key = ? AND at > ?
