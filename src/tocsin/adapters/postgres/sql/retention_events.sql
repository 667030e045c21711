SELECT position, tenant, type, accepted_at, accepted_at, 0
FROM event
WHERE position > :after
    AND tenant = :scope --? scope
ORDER BY position
LIMIT :limit
