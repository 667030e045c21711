UPDATE line SET has_ended = true FROM delivery
WHERE NOT line.has_ended AND delivery.number = line.delivery AND delivery.state <> 'pending'
