DELETE FROM line WHERE endpoint = $1
