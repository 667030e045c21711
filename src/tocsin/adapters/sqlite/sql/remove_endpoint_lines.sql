DELETE FROM line WHERE endpoint = ?
