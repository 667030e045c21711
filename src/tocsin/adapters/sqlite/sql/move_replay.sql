UPDATE replay SET position = ?, made = made + ? WHERE number = ? AND position = ? AND state = 'running'
    AND NOT EXISTS (SELECT 1 FROM endpoint AS e WHERE e.number = replay.endpoint AND e.deleted_at IS NOT NULL)
