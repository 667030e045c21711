INSERT INTO tally_history (tenant, endpoint, step, minute, pending, dead, events, attempts_delivered, attempts_retry, attempts_rejected, delivered, died, cancelled, errors, attempt_ms, delivered_ms, oldest_at)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bytea[], $15::bytea[], $16::bytea[], $17::bigint[])
ON CONFLICT (tenant, endpoint, step, minute) DO UPDATE SET
    pending = excluded.pending, dead = excluded.dead, events = excluded.events,
    attempts_delivered = excluded.attempts_delivered, attempts_retry = excluded.attempts_retry,
    attempts_rejected = excluded.attempts_rejected, delivered = excluded.delivered, died = excluded.died,
    cancelled = excluded.cancelled, errors = excluded.errors, attempt_ms = excluded.attempt_ms,
    delivered_ms = excluded.delivered_ms, oldest_at = excluded.oldest_at
