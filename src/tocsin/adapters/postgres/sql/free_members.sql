SELECT number FROM delivery WHERE number = ANY($1) AND state = 'pending' AND batch IS NULL ORDER BY number
