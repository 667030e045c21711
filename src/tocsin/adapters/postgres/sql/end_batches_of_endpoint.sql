UPDATE batch SET state = 'dead', settled_at = $1 WHERE endpoint = $2 AND state = 'pending'
