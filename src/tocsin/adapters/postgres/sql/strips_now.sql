SELECT e.number, t.minute, t.attempts_delivered, t.attempts_retry, t.attempts_rejected, t.attempt_ms, t.pending, t.dead, t.shard
FROM endpoint AS e JOIN tally AS t ON t.tenant = e.tenant AND t.endpoint = e.number
WHERE e.number = ANY(:endpoints)
    AND e.tenant = :tenant --? tenant
