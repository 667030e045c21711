SELECT number FROM endpoint
WHERE deleted_at IS NOT NULL AND EXISTS (SELECT 1 FROM delivery WHERE state = 'pending' AND endpoint = endpoint.number)
