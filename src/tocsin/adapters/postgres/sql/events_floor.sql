SELECT position FROM event
WHERE position >= :low AND position < :below
    AND tenant = :tenant --? tenant
ORDER BY position DESC
LIMIT 1 OFFSET :budget
