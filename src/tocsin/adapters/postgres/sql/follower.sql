SELECT blocked FROM delivery WHERE number = $1 AND state = 'pending' AND batch IS NULL AND due_at <= $2
