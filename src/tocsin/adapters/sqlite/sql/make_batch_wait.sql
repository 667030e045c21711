UPDATE batch SET waits_for = ? WHERE number = ?
