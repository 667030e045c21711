INSERT INTO batch_left (delivery, batch) SELECT number, batch FROM delivery WHERE batch = $1 AND state = 'pending'
ON CONFLICT DO NOTHING
