SELECT number FROM delivery WHERE number IN (SELECT value FROM carray(?)) AND state <> 'pending'
