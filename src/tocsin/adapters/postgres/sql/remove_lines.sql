DELETE FROM line WHERE delivery = $1
