SELECT d.number, d.batch FROM delivery AS d JOIN batch AS b ON b.number = d.batch
WHERE d.number = ANY($1) AND b.state = 'pending'
