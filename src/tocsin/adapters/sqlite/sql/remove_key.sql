DELETE FROM api_key WHERE id = :id
    AND tenant = :tenant --? tenant
