SELECT id FROM event WHERE subject_type = ? AND subject_id = ? AND tenant = ? AND position <= ? AND id IN (SELECT value FROM carray(?))
