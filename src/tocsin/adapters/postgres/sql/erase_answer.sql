UPDATE answer SET body_hash = ''::bytea, body = ''::bytea WHERE tenant = $1 AND route = $2 AND key = $3 AND at = $4
