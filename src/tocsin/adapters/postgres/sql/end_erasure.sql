UPDATE erasure SET state = $1, reason = $2, finished_at = $3 WHERE number = $4 AND state = 'running'
