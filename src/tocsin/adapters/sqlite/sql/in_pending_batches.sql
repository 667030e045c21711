SELECT d.number, d.batch FROM delivery AS d JOIN batch AS b ON b.number = d.batch
WHERE d.number IN (SELECT value FROM carray(?)) AND b.state = 'pending'
