SELECT endpoint FROM line WHERE has_ended
UNION SELECT endpoint FROM batch AS b
WHERE state = 'pending' AND NOT EXISTS (SELECT 1 FROM delivery AS d WHERE d.batch = b.number AND d.state = 'pending')
