SELECT DISTINCT delivery FROM line WHERE endpoint = $1 AND lane = $2
