INSERT OR REPLACE INTO tally_history (tenant, endpoint, step, minute, pending, dead, events, attempts_delivered, attempts_retry, attempts_rejected, delivered, died, cancelled, errors,
    attempt_ms, delivered_ms, oldest_at)
VALUES /*row*/ (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) /*row*/
