SELECT number FROM delivery WHERE batch = $1 AND state <> 'pending'
