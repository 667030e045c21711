SELECT endpoint, lane, key FROM line WHERE delivery = $1 ORDER BY key
