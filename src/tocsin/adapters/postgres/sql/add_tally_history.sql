INSERT INTO tally_history (tenant, endpoint, step, minute, pending, dead, events, attempts_delivered, attempts_retry, attempts_rejected, delivered, died, cancelled, errors, attempt_ms, delivered_ms, oldest_at, shard)
SELECT given.*, $1::smallint FROM unnest($2::text::text[], $3::text::bigint[], $4::text::bigint[], $5::text::bigint[], $6::text::bigint[], $7::text::bigint[], $8::text::bigint[], $9::text::bigint[], $10::text::bigint[], $11::text::bigint[], $12::text::bigint[], $13::text::bigint[], $14::text::bigint[], $15::bytea[], $16::bytea[], $17::bytea[], $18::text::bigint[]) AS given
ON CONFLICT (tenant, endpoint, shard, step, minute) DO UPDATE SET
    pending = excluded.pending, dead = excluded.dead, events = excluded.events,
    attempts_delivered = excluded.attempts_delivered, attempts_retry = excluded.attempts_retry,
    attempts_rejected = excluded.attempts_rejected, delivered = excluded.delivered, died = excluded.died,
    cancelled = excluded.cancelled, errors = excluded.errors, attempt_ms = excluded.attempt_ms,
    delivered_ms = excluded.delivered_ms, oldest_at = excluded.oldest_at
