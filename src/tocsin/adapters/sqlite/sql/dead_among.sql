SELECT number, endpoint, lane FROM delivery WHERE number IN (SELECT value FROM carray(?)) AND state = 'dead'
