SELECT e.position, e.id, e.tenant, e.type, e.subject_type, e.subject_id, e.verb, e.time, e.accepted_at, e.keys, e.cloud, e.data
FROM event AS e --? !dead
FROM delivery AS d CROSS JOIN event AS e ON e.position = d.position --? dead
WHERE e.tenant = :tenant AND (e.cloud IS NOT NULL OR length(e.data) > 0)
    AND e.position > :after AND e.position <= :last --? !dead
    AND d.endpoint = :endpoint AND d.state = 'dead' AND d.position > :after AND d.position <= :last --? dead
    AND d.reason = :reason --? dead reason
    AND NOT EXISTS (SELECT 1 FROM delivery AS o WHERE o.position = d.position AND +o.endpoint = :endpoint AND o.state IN ('delivered', 'pending')) --? dead
    AND NOT EXISTS (SELECT 1 FROM delivery AS o WHERE o.position = e.position AND +o.endpoint = :endpoint) --? missing
GROUP BY d.position --? dead
ORDER BY e.position --? !dead
ORDER BY d.position --? dead
LIMIT :limit
