UPDATE erasure SET progress = $1 WHERE number = $2 AND state = 'running'
