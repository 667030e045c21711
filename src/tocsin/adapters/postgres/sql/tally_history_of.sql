SELECT shard, step, minute, pending, dead, events, attempts_delivered, attempts_retry, attempts_rejected, delivered, died, cancelled, errors,
    attempt_ms, delivered_ms, oldest_at
FROM tally_history WHERE tenant = $1 AND endpoint = $2 ORDER BY step, minute, shard
