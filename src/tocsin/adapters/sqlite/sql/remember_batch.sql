INSERT OR IGNORE INTO batch_left (delivery, batch) SELECT number, batch FROM delivery WHERE batch = ? AND state = 'pending'
