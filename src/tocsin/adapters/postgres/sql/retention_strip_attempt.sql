UPDATE attempt SET detail = $1, body = NULL WHERE place = $2
