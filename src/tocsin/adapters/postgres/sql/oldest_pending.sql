SELECT created_at FROM delivery
WHERE number >= :first AND number < :end AND state = 'pending'
    AND tenant = :tenant --? tenant
    AND endpoint = :endpoint --? endpoint
ORDER BY number LIMIT 1
