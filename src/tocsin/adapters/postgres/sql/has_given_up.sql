SELECT 1 FROM given_up WHERE minute < $1 LIMIT 1
