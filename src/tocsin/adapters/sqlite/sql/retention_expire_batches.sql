UPDATE batch SET state = 'dead', settled_at = ? WHERE state = 'pending' AND number IN (SELECT value FROM carray(?))
