UPDATE batch SET state = ?, due_at = ?, step = ?, at_once = ?, attempts = ?, settled_at = ? WHERE number = ?
