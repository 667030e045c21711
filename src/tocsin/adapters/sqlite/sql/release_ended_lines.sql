SELECT line.delivery FROM line JOIN delivery ON delivery.number = line.delivery
WHERE delivery.state <> 'pending' GROUP BY line.delivery ORDER BY line.delivery LIMIT 1000
