SELECT at.value, h.pending, h.dead, h.events, h.attempts_delivered, h.attempts_retry, h.attempts_rejected, h.delivered, h.died,
    h.cancelled, h.errors, h.attempt_ms, h.delivered_ms, h.oldest_at
FROM unnest(CAST($1 AS bigint[])) AS at (value) JOIN LATERAL (
    SELECT * FROM tally_history
    WHERE tenant = $2 AND endpoint = $3 AND step = $4 AND minute < at.value
    ORDER BY minute DESC LIMIT 1
) AS h ON true
