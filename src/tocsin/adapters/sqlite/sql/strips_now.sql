SELECT e.number, t.minute, t.attempts_delivered, t.attempts_retry, t.attempts_rejected, t.attempt_ms, t.pending, t.dead
FROM carray(:endpoints) AS wanted CROSS JOIN endpoint AS e ON e.number = wanted.value
    CROSS JOIN tally AS t ON t.tenant = e.tenant AND t.endpoint = e.number
WHERE true
    AND e.tenant = :tenant --? tenant
