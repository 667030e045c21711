SELECT number FROM batch AS b WHERE state = 'pending'
    AND NOT EXISTS (SELECT 1 FROM delivery AS d WHERE d.batch = b.number AND d.state = 'pending')
LIMIT 1000
