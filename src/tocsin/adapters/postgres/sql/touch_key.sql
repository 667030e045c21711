UPDATE api_key SET last_used_at = $1::bigint WHERE id = $2 AND coalesce(last_used_at, 0) < $1::bigint
