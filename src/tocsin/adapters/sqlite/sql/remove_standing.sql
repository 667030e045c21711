DELETE FROM standing WHERE endpoint = ?
