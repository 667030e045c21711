SELECT DISTINCT delivery FROM line WHERE endpoint = ? AND lane = ?
