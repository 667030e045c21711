DELETE FROM tally WHERE tenant = $1 AND endpoint = $2
