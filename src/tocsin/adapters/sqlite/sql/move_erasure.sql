UPDATE erasure SET progress = ? WHERE number = ? AND state = 'running'
