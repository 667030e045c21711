UPDATE batch SET waits_for = $1 WHERE number = $2
