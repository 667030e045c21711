SELECT number, attempts FROM delivery WHERE number = ANY($1::text::bigint[])
