SELECT number FROM delivery WHERE number = ANY($1::text::bigint[]) AND state = 'cancelled'
