UPDATE attempt SET detail = $1, body = CASE WHEN body IS NULL THEN NULL ELSE ''::bytea END WHERE place = $2
