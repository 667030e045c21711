SELECT min(delivery) FROM line WHERE endpoint = $1 AND lane = $2 AND key = $3
