UPDATE replay SET pending = pending + $1, done = done + $2, failed = failed + $3 WHERE number = $4
