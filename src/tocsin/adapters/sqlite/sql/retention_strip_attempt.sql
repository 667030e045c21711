UPDATE attempt SET detail = ?, body = NULL WHERE place = ?
