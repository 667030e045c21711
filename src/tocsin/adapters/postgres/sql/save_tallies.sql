INSERT INTO tally (tenant, endpoint, minute, pending, dead, events, attempts_delivered, attempts_retry, attempts_rejected, delivered,
    died, cancelled, errors, attempt_ms, delivered_ms)
VALUES /*row*/ ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) /*row*/
ON CONFLICT (tenant, endpoint) DO UPDATE SET
    minute = excluded.minute, pending = excluded.pending, dead = excluded.dead, events = excluded.events,
    attempts_delivered = excluded.attempts_delivered, attempts_retry = excluded.attempts_retry,
    attempts_rejected = excluded.attempts_rejected, delivered = excluded.delivered, died = excluded.died,
    cancelled = excluded.cancelled, errors = excluded.errors, attempt_ms = excluded.attempt_ms, delivered_ms = excluded.delivered_ms
