-- From lane to lane by the index: a long backlog costs no more than a short one.
WITH RECURSIVE lane AS (
    SELECT e.number AS endpoint, first.lane
    FROM endpoint AS e CROSS JOIN LATERAL (
        SELECT d.lane FROM delivery AS d WHERE d.state = 'pending' AND d.endpoint = e.number ORDER BY d.lane LIMIT 1
    ) AS first
    WHERE e.partition = ANY($1) AND e.deleted_at IS NULL
    UNION ALL
    SELECT lane.endpoint, following.lane
    FROM lane CROSS JOIN LATERAL (
        SELECT d.lane FROM delivery AS d WHERE d.state = 'pending' AND d.endpoint = lane.endpoint AND d.lane > lane.lane
        ORDER BY d.lane LIMIT 1
    ) AS following
)
SELECT lane.endpoint, lane.lane, first.due_at
FROM lane CROSS JOIN LATERAL (
    SELECT d.due_at FROM delivery AS d
    WHERE d.state = 'pending' AND d.endpoint = lane.endpoint AND d.lane = lane.lane AND d.blocked = 0 AND d.batch IS NULL
    ORDER BY d.due_at LIMIT 1
) AS first
