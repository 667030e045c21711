UPDATE batch SET state = ?, settled_at = coalesce(?, due_at) WHERE number = ? AND state = 'pending' RETURNING number
