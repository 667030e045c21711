DELETE FROM batch
WHERE number = $1 AND settled_at IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM delivery WHERE batch = batch.number)
    AND NOT EXISTS (SELECT 1 FROM batch AS child WHERE child.parent = batch.number)
