DELETE FROM delivery WHERE number IN (SELECT value FROM carray(?))
