SELECT number FROM batch AS b WHERE state = 'pending' AND endpoint IN (SELECT value FROM carray(?1))
    AND NOT EXISTS (
        SELECT 1 FROM delivery AS d
        WHERE d.batch = b.number AND (d.state = 'pending' OR d.number IN (SELECT value FROM carray(?2)))
    )
LIMIT 1000
