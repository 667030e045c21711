DELETE FROM seen WHERE tenant = $1 AND at <= $2 AND hash = ANY($3)
    AND NOT EXISTS (SELECT 1 FROM event WHERE id = seen.event_id)
