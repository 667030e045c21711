DELETE FROM given_up WHERE endpoint = $1 AND minute = $2
