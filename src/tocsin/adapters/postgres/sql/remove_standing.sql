DELETE FROM standing WHERE endpoint = $1
