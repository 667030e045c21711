-- The first position accepted at a time or later, by bisection: acceptance never goes back along the log.
WITH RECURSIVE span (low, high) AS (
    SELECT coalesce((SELECT min(position) FROM event), 1), coalesce((SELECT max(position) FROM event), 0) + 1
    UNION ALL
    SELECT
        CASE WHEN probe.accepted_at < $1 THEN probe.position + 1 ELSE span.low END,
        CASE WHEN probe.accepted_at < $1 THEN span.high ELSE (span.low + span.high) / 2 END
    FROM span CROSS JOIN LATERAL (
        SELECT position, accepted_at FROM event WHERE position >= (span.low + span.high) / 2 ORDER BY position LIMIT 1
    ) AS probe
    WHERE span.low < span.high
)
(SELECT low FROM span WHERE low >= high LIMIT 1)
UNION ALL (SELECT max(low) FROM span)
LIMIT 1
