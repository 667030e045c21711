SELECT 1 FROM delivery WHERE batch = $1 AND state = 'pending' LIMIT 1
