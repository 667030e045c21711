UPDATE delivery SET batch = NULL WHERE number IN (SELECT value FROM carray(?))
