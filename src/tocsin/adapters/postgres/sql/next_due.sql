SELECT min(due_at) FROM delivery WHERE endpoint = $1 AND lane = $2 AND state = 'pending' AND blocked = 0 AND batch IS NULL AND due_at > $3
