UPDATE replay SET state = $1, reason = $2 WHERE number = $3 AND state = $4
