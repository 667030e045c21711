UPDATE api_key SET revoked_at = :now::bigint
WHERE id = :id AND revoked_at IS NULL
    AND tenant = :tenant --? tenant
    AND (role <> 'operator' OR expires_at <= :now OR EXISTS (
        SELECT 1 FROM api_key AS other
        WHERE other.role = 'operator' AND other.revoked_at IS NULL AND coalesce(other.expires_at > :now, true) AND other.id <> :id
    ))
RETURNING number
