UPDATE batch SET state = 'dead', settled_at = ? WHERE endpoint = ? AND state = 'pending'
