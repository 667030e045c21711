SELECT e.number, at.value, h.attempts_delivered, h.attempts_retry, h.attempts_rejected, h.attempt_ms
FROM endpoint AS e CROSS JOIN unnest(CAST(:minutes AS bigint[])) AS at (value) CROSS JOIN LATERAL (
    SELECT * FROM tally_history
    WHERE tenant = e.tenant AND endpoint = e.number AND step = :step AND minute < at.value
    ORDER BY minute DESC LIMIT 1
) AS h
WHERE e.number = ANY(:endpoints)
    AND e.tenant = :tenant --? tenant
