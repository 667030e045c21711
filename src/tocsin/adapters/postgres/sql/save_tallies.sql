-- Of our shard ($1), which nobody else writes: tallies as they are now, and what pending deliveries moved by.
WITH saved AS (
    INSERT INTO tally (tenant, endpoint, minute, pending, dead, events, attempts_delivered, attempts_retry, attempts_rejected, delivered,
        died, cancelled, errors, attempt_ms, delivered_ms, shard)
    SELECT given.*, $1::smallint FROM unnest($2::text::text[], $3::text::bigint[], $4::text::bigint[], $5::text::bigint[], $6::text::bigint[],
        $7::text::bigint[], $8::text::bigint[], $9::text::bigint[], $10::text::bigint[], $11::text::bigint[], $12::text::bigint[],
        $13::text::bigint[], $14::bytea[], $15::bytea[], $16::bytea[]) AS given
    ON CONFLICT (tenant, endpoint, shard) DO UPDATE SET
        minute = excluded.minute, pending = excluded.pending, dead = excluded.dead, events = excluded.events,
        attempts_delivered = excluded.attempts_delivered, attempts_retry = excluded.attempts_retry,
        attempts_rejected = excluded.attempts_rejected, delivered = excluded.delivered, died = excluded.died,
        cancelled = excluded.cancelled, errors = excluded.errors, attempt_ms = excluded.attempt_ms, delivered_ms = excluded.delivered_ms
), moved AS (
    INSERT INTO pending_block (tenant, endpoint, block, pending, since, shard)
    SELECT given.*, $1::smallint FROM unnest($17::text::text[], $18::text::bigint[], $19::text::bigint[], $20::text::bigint[],
        $21::text::bigint[]) AS given
    ON CONFLICT (tenant, endpoint, block, shard) DO UPDATE
    SET pending = pending_block.pending + excluded.pending, since = least(pending_block.since, excluded.since)
)
SELECT
