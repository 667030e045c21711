SELECT hash, event_id FROM seen WHERE tenant = ? AND hash IN (SELECT value FROM carray(?))
