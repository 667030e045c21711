SELECT number FROM delivery WHERE batch = $1
