DELETE FROM event WHERE position IN (SELECT value FROM carray(?))
