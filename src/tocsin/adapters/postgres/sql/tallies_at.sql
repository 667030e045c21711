SELECT at.value, h.pending, h.dead, h.events, h.attempts_delivered, h.attempts_retry, h.attempts_rejected, h.delivered, h.died,
    h.cancelled, h.errors, h.attempt_ms, h.delivered_ms, h.oldest_at
FROM unnest(:minutes::bigint[]) AS at(value) CROSS JOIN tally_history AS h
WHERE h.tenant = :tenant AND h.endpoint = :endpoint AND h.step = :step AND h.minute = (
    SELECT max(minute) FROM tally_history
    WHERE tenant = :tenant AND endpoint = :endpoint AND step = :step AND minute < at.value
)
