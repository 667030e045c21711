DELETE FROM standing_wish WHERE endpoint = $1
