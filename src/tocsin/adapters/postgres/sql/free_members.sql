-- Not `state = 'pending'`: the index of what is pending would do for that, and be read as a whole. By number each is found at once.
SELECT number FROM delivery WHERE number = ANY($1::text::bigint[]) AND state NOT IN ('delivered', 'dead', 'cancelled') AND batch IS NULL ORDER BY number
