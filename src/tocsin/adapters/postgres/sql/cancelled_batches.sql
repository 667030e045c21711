SELECT number FROM batch AS b WHERE state = 'pending' AND endpoint = ANY($1::bigint[])
    AND NOT EXISTS (
        SELECT 1 FROM delivery AS d WHERE d.batch = b.number AND (d.state = 'pending' OR d.number = ANY($2::bigint[]))
    )
LIMIT 1000
