DELETE FROM line WHERE delivery = ?
