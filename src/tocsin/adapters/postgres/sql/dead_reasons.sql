SELECT coalesce(reason, 'unknown'), count(*), min(settled_at), max(settled_at)
FROM (
    SELECT reason, coalesce(settled_at, created_at) AS settled_at FROM delivery
    WHERE endpoint = $1 AND state = 'dead' ORDER BY number DESC LIMIT $2
) AS newest
GROUP BY 1
ORDER BY count(*) DESC, 1
LIMIT 50
