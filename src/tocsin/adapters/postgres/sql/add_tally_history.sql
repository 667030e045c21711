INSERT OR REPLACE INTO tally_history (tenant, endpoint, step, minute, pending, dead, events, attempts_delivered, attempts_retry, attempts_rejected, delivered, died, cancelled, errors,
    attempt_ms, delivered_ms, oldest_at)
VALUES /*row*/ ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) /*row*/
