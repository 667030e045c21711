SELECT number FROM delivery WHERE batch = ?
