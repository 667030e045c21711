SELECT number FROM batch WHERE endpoint = ? AND lane = ? AND state = 'pending' AND number > ? ORDER BY number LIMIT ?
