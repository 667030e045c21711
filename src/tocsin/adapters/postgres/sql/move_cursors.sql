-- All of them or none. The directory stays as it is until COMMIT.
WITH known AS (
    SELECT revision FROM directory WHERE one = 1 FOR SHARE
), move AS (
    SELECT * FROM unnest($1::text::smallint[], $2::text::bigint[], $3::text::bigint[], $4::text::bigint[], $5::text::bigint[])
        AS move (partition, old_position, old_endpoint, position, endpoint)
), here AS (
    SELECT cursor.partition FROM cursor JOIN move ON cursor.partition = move.partition
    WHERE cursor.holder = $6 AND cursor.position = move.old_position AND cursor.endpoint = move.old_endpoint
    FOR UPDATE OF cursor
)
UPDATE cursor SET position = move.position, endpoint = move.endpoint
FROM move, known
WHERE cursor.partition = move.partition AND known.revision = $7 AND (SELECT count(*) FROM here) = cardinality($1::text::smallint[])
