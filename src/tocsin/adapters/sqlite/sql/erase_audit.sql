UPDATE audit SET before = NULL, after = NULL WHERE number IN (SELECT value FROM carray(?))
