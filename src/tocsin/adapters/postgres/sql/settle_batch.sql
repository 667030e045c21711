UPDATE batch SET state = $1, due_at = $2, step = $3, at_once = $4, attempts = $5, settled_at = $6 WHERE number = $7
