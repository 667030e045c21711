SELECT body_hash, status, body FROM answer WHERE tenant = $1 AND route = $2 AND key = $3 AND at > $4
