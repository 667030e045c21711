UPDATE erasure SET state = ?, reason = ?, finished_at = ? WHERE number = ? AND state = 'running'
