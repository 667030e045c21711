SELECT 1 FROM delivery WHERE number >= $1 AND number < $2 AND state = 'pending' LIMIT 1
