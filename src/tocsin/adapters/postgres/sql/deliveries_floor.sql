SELECT d.number
FROM delivery AS d
WHERE d.number > 0
    AND d.tenant = :tenant --? tenant
    AND d.number < :before --? before
    AND d.endpoint = (SELECT number FROM endpoint WHERE id = :endpoint) --? endpoint
    AND d.state = :state AND d.state IN ('dead', 'cancelled') --? given_up
ORDER BY d.number DESC
LIMIT 1 OFFSET :budget
