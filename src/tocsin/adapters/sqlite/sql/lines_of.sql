SELECT endpoint, lane, key FROM line WHERE delivery = ? ORDER BY key
