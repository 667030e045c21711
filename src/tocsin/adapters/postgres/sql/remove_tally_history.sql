DELETE FROM tally_history WHERE tenant = $1 AND endpoint = $2
