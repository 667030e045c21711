UPDATE replay SET position = $1, made = made + $2 WHERE number = $3 AND position = $4 AND state = 'running'
    AND NOT EXISTS (SELECT 1 FROM endpoint AS e WHERE e.number = replay.endpoint AND e.deleted_at IS NOT NULL)
