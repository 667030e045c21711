-- All stand at one place; the endpoint is that of the event behind it, and so of one partition.
WITH following AS (
    SELECT coalesce((SELECT partition FROM event WHERE position > $1 ORDER BY position LIMIT 1), 0) AS partition
)
INSERT INTO cursor (partition, position, endpoint)
SELECT number, $1, CASE WHEN number = following.partition THEN $2 ELSE 0 END
FROM generate_series(0, 63) AS each (number) CROSS JOIN following
