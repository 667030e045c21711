-- Takes deliveries out of their lines. What stands behind one that headed a line heads it now: it waits for one line less.
WITH gone AS (
    DELETE FROM line WHERE delivery = ANY($1::text::bigint[]) RETURNING endpoint, lane, key, delivery
), place AS (
    SELECT endpoint, lane, key, min(delivery) AS first FROM gone GROUP BY endpoint, lane, key
), freed AS (
    SELECT behind.delivery AS number, count(*) AS lines
    FROM place CROSS JOIN LATERAL (
        SELECT l.delivery FROM line AS l
        WHERE l.endpoint = place.endpoint AND l.lane = place.lane AND l.key = place.key AND l.delivery <> ALL($1::text::bigint[])
        ORDER BY l.delivery LIMIT 1
    ) AS behind
    WHERE behind.delivery > place.first
    GROUP BY behind.delivery
)
UPDATE delivery SET blocked = blocked - freed.lines FROM freed WHERE delivery.number = freed.number
RETURNING delivery.number, delivery.blocked
