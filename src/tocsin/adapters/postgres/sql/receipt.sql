SELECT id, tenant, at, status, body
FROM receipt
WHERE id = :id
    AND tenant = :tenant --? tenant
