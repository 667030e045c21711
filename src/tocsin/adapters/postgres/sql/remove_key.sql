UPDATE api_key SET revoked_at = :now
WHERE id = :id AND revoked_at IS NULL
    AND tenant = :tenant --? tenant
RETURNING number
