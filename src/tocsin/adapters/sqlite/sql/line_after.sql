SELECT min(delivery) FROM line WHERE endpoint = ? AND lane = ? AND key = ? AND delivery > ?
