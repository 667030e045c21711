DELETE FROM tally_history
WHERE tenant = ? AND endpoint = ? AND step = ? AND minute < (
    SELECT max(minute) FROM tally_history WHERE tenant = ? AND endpoint = ? AND step = ? AND minute < ?
)
