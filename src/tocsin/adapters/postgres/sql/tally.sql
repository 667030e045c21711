SELECT minute, pending, dead, events, attempts_delivered, attempts_retry, attempts_rejected, delivered, died, cancelled, errors,
    attempt_ms, delivered_ms, shard
FROM tally WHERE tenant = $1 AND endpoint = $2
