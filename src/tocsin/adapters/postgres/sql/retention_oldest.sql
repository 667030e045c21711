SELECT position, accepted_at FROM event
WHERE position > 0
    AND tenant = :tenant --? tenant
ORDER BY position
LIMIT 1
