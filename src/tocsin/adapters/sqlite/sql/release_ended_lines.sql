SELECT line.delivery FROM line JOIN delivery ON delivery.number = line.delivery
WHERE line.endpoint IN (SELECT value FROM carray(?1)) AND delivery.state <> 'pending'
    AND line.delivery NOT IN (SELECT value FROM carray(?2))
    AND NOT EXISTS (SELECT 1 FROM batch AS b WHERE b.number = delivery.batch AND b.state = 'pending')
GROUP BY line.delivery ORDER BY line.delivery LIMIT 1000
