SELECT 1 FROM delivery WHERE batch = ? AND state = 'pending' LIMIT 1
