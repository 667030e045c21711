UPDATE delivery SET batch = NULL WHERE batch = ? AND state = 'pending'
