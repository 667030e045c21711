-- Positions are given here, behind the head, whose row is locked from now on; `nth` keeps the order of the group. What was seen is
-- written first: to find that somebody else has seen it may take as long as their transaction.
WITH known AS (
    INSERT INTO seen (tenant, hash, event_id, at)
    SELECT * FROM unnest($3::text::text[], $4::bytea[], $5::text::text[], $6::text::bigint[])
    RETURNING 1
), head AS (
    UPDATE log_head SET position = position + $2::bigint, accepted_at = greatest(accepted_at, $1::bigint)
    WHERE one = 1 AND (SELECT count(*) FROM known) >= 0
    RETURNING position - $2::bigint AS before, accepted_at
), added AS (
    INSERT INTO event (position, id, tenant, type, subject_type, subject_id, verb, time, accepted_at, keys, cloud, data, partition)
    SELECT head.before + new.nth, new.id, new.tenant, new.type, new.subject_type, new.subject_id, new.verb, new.time, head.accepted_at,
        new.keys, new.cloud, new.data, new.partition
    FROM head CROSS JOIN unnest($7::text::text[], $8::text::text[], $9::text::text[], $10::text::text[], $11::text::text[], $12::text::text[],
        $13::text::bigint[], $14::text::text[], $15::bytea[], $16::bytea[], $17::text::smallint[])
        WITH ORDINALITY AS new (id, tenant, type, subject_type, subject_id, verb, time, keys, cloud, data, partition, nth)
)
SELECT before, accepted_at FROM head
