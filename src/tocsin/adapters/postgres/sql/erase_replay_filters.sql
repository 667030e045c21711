UPDATE replay SET filters = $1, dead_reason = $2 WHERE number = $3
