SELECT line.delivery FROM line JOIN delivery ON delivery.number = line.delivery
WHERE line.has_ended AND line.endpoint = ANY($1::bigint[]) AND delivery.state <> 'pending' AND line.delivery <> ALL($2::bigint[])
    AND NOT EXISTS (SELECT 1 FROM batch AS b WHERE b.number = delivery.batch AND b.state = 'pending')
GROUP BY line.delivery ORDER BY line.delivery LIMIT 1000
