-- As the shards stood that have changed since.
SELECT t.shard, at.value, h.minute, h.pending, h.dead, h.events, h.attempts_delivered, h.attempts_retry, h.attempts_rejected, h.delivered,
    h.died, h.cancelled, h.errors, h.attempt_ms, h.delivered_ms, h.oldest_at
FROM tally AS t CROSS JOIN unnest($1::text::bigint[]) AS at (value) CROSS JOIN LATERAL (
    SELECT * FROM tally_history
    WHERE tenant = t.tenant AND endpoint = t.endpoint AND shard = t.shard AND step = $4 AND minute < at.value
    ORDER BY minute DESC LIMIT 1
) AS h
WHERE t.tenant = $2 AND t.endpoint = $3 AND t.minute >= at.value
