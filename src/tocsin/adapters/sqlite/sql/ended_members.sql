SELECT number FROM delivery WHERE batch = ? AND state <> 'pending'
