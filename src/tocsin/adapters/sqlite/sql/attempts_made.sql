SELECT number, attempts FROM delivery WHERE number IN (SELECT value FROM carray(?))
