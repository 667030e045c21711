SELECT number FROM delivery WHERE number = ANY($1) AND state = 'cancelled'
