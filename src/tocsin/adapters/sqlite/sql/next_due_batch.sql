SELECT min(due_at) FROM batch WHERE endpoint = ? AND lane = ? AND state = 'pending' AND due_at > ? AND waits_for IS NULL
