-- The one place at which all fan-outs stand: those that are behind have no event up to there. The last column says whether it is so.
WITH furthest AS (
    SELECT max(position) AS position, min(position) AS first FROM cursor
), at AS (
    SELECT furthest.position, furthest.first,
        (SELECT count(*) FROM cursor WHERE cursor.position = furthest.position AND endpoint > 0) AS begun,
        (SELECT max(endpoint) FROM cursor WHERE cursor.position = furthest.position) AS endpoint,
        coalesce((SELECT partition FROM event WHERE event.position > furthest.position ORDER BY position LIMIT 1), 0) AS following
    FROM furthest
)
SELECT 0, at.position, at.endpoint,
    NOT EXISTS (
        SELECT 1 FROM event JOIN cursor ON cursor.partition = event.partition
        WHERE event.position > at.first AND event.position <= at.position AND event.position > cursor.position
    ) AND (at.begun = 0 OR (at.begun = 1 AND EXISTS (
        SELECT 1 FROM cursor WHERE cursor.position = at.position AND endpoint > 0 AND partition = at.following
    )))
FROM at WHERE at.position IS NOT NULL
