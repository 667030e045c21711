DELETE FROM seen WHERE tenant = ? AND at <= ? AND hash IN (SELECT value FROM carray(?))
    AND NOT EXISTS (SELECT 1 FROM event WHERE id = seen.event_id)
