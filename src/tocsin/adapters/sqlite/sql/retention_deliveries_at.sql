SELECT number, position FROM delivery WHERE position IN (SELECT value FROM carray(?)) LIMIT 512
