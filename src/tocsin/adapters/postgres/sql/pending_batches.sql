SELECT number FROM batch WHERE endpoint = $1 AND lane = $2 AND state = 'pending' AND number > $3 ORDER BY number LIMIT $4
