SELECT number FROM job
WHERE number < :below
    AND tenant = :tenant --? tenant
    AND parent = :parent --? parent
ORDER BY number DESC
LIMIT 1 OFFSET :budget
