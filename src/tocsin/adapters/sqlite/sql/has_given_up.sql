SELECT 1 FROM given_up WHERE minute < ? LIMIT 1
