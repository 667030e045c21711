SELECT min(due_at) FROM delivery WHERE endpoint = ? AND lane = ? AND state = 'pending' AND blocked = 0 AND batch IS NULL AND due_at > ?
