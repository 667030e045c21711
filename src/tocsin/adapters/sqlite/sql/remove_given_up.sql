DELETE FROM given_up WHERE endpoint = ? AND minute = ?
