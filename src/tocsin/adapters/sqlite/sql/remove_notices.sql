DELETE FROM notice WHERE number IN (SELECT value FROM carray(?))
