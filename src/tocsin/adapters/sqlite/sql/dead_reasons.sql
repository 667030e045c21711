SELECT coalesce(reason, 'unknown'), count(*), min(settled_at), max(settled_at)
FROM (
    SELECT reason, coalesce(settled_at, created_at) AS settled_at FROM delivery
    WHERE endpoint = ? AND state = 'dead' AND state IN ('dead', 'cancelled') ORDER BY number DESC LIMIT ?
)
GROUP BY 1
ORDER BY count(*) DESC, 1
LIMIT 50
