-- Positions are given here, behind the head, whose row is locked from now on; `nth` keeps the order of the group.
WITH head AS (
    UPDATE log_head SET position = position + cardinality($2::text[]), accepted_at = greatest(accepted_at, $1::bigint)
    WHERE one = 1
    RETURNING position - cardinality($2::text[]) AS before, accepted_at
), added AS (
    INSERT INTO event (position, id, tenant, type, subject_type, subject_id, verb, time, accepted_at, keys, cloud, data, partition)
    SELECT head.before + new.nth, new.id, new.tenant, new.type, new.subject_type, new.subject_id, new.verb, new.time, head.accepted_at,
        new.keys, new.cloud, new.data, new.partition
    FROM head CROSS JOIN unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::text[],
        $10::bytea[], $11::bytea[], $12::smallint[])
        WITH ORDINALITY AS new (id, tenant, type, subject_type, subject_id, verb, time, keys, cloud, data, partition, nth)
)
SELECT before, accepted_at FROM head
