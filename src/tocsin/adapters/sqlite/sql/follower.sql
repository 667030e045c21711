SELECT blocked FROM delivery WHERE number = ? AND state = 'pending' AND batch IS NULL AND due_at <= ?
