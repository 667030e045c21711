UPDATE batch SET state = $1, settled_at = coalesce($2, due_at) WHERE number = $3 AND state = 'pending' RETURNING number
