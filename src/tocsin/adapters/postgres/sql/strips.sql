-- As the shards of each stood that have changed since.
SELECT e.number, t.shard, at.value, h.attempts_delivered, h.attempts_retry, h.attempts_rejected, h.attempt_ms
FROM endpoint AS e JOIN tally AS t ON t.tenant = e.tenant AND t.endpoint = e.number
    CROSS JOIN unnest(CAST(:minutes AS bigint[])) AS at (value) CROSS JOIN LATERAL (
        SELECT * FROM tally_history
        WHERE tenant = t.tenant AND endpoint = t.endpoint AND shard = t.shard AND step = :step AND minute < at.value
        ORDER BY minute DESC LIMIT 1
    ) AS h
WHERE e.number = ANY(:endpoints) AND t.minute >= at.value
    AND e.tenant = :tenant --? tenant
