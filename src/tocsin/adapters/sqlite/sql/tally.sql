SELECT minute, pending, dead, events, attempts_delivered, attempts_retry, attempts_rejected, delivered, died, cancelled, errors,
    attempt_ms, delivered_ms
FROM tally WHERE tenant = ? AND endpoint = ?
