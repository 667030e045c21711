UPDATE delivery SET batch = NULL WHERE batch = $1 AND state = 'pending'
