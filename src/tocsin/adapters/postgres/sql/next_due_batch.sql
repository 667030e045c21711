SELECT min(due_at) FROM batch WHERE endpoint = $1 AND lane = $2 AND state = 'pending' AND due_at > $3 AND waits_for IS NULL
