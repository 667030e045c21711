UPDATE line SET has_ended = true FROM delivery
WHERE line.delivery = ANY($1::bigint[]) AND NOT line.has_ended AND delivery.number = line.delivery AND delivery.state <> 'pending'
