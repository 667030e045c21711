SELECT position, id, tenant, type, subject_type, subject_id, verb, time, accepted_at, keys, cloud, data
FROM event
WHERE tenant = :tenant AND position > :after AND position <= :last AND (cloud IS NOT NULL OR length(data) > 0)
    AND EXISTS (SELECT 1 FROM delivery AS d WHERE d.position = event.position AND d.endpoint = :endpoint AND d.state = 'dead') --? dead
    AND NOT EXISTS (SELECT 1 FROM delivery AS d WHERE d.position = event.position AND d.endpoint = :endpoint AND d.state IN ('delivered', 'pending')) --? dead
    AND NOT EXISTS (SELECT 1 FROM delivery AS d WHERE d.position = event.position AND d.endpoint = :endpoint) --? missing
ORDER BY position
LIMIT :limit
