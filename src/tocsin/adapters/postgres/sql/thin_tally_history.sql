DELETE FROM tally_history
WHERE tenant = $1 AND endpoint = $2 AND step = $3 AND minute < (
    SELECT max(minute) FROM tally_history WHERE tenant = $4 AND endpoint = $5 AND step = $6 AND minute < $7
)
