UPDATE batch_attempt SET detail = ?, body = NULL WHERE place = ?
