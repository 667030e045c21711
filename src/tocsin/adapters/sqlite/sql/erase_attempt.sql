UPDATE attempt SET detail = ?, body = CASE WHEN body IS NULL THEN NULL ELSE x'' END WHERE place = ?
