UPDATE receipt SET body = ''::bytea WHERE tenant = $1 AND length(body) > 0
