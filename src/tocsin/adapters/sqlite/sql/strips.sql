SELECT e.number, at.value, h.attempts_delivered, h.attempts_retry, h.attempts_rejected, h.attempt_ms
FROM carray(:endpoints) AS wanted CROSS JOIN endpoint AS e ON e.number = wanted.value
    CROSS JOIN carray(:minutes) AS at CROSS JOIN tally_history AS h
WHERE h.tenant = e.tenant AND h.endpoint = e.number AND h.step = :step AND h.minute = (
    SELECT max(minute) FROM tally_history
    WHERE tenant = e.tenant AND endpoint = e.number AND step = :step AND minute < at.value
)
    AND e.tenant = :tenant --? tenant
