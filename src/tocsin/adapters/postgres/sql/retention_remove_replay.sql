DELETE FROM replay
WHERE number = $1 AND finished_at IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM delivery WHERE lane = replay.number AND lane > 0)
