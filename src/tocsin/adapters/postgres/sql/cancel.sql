-- Not `state = 'pending'`: the index of what is pending would do for that, and be read as a whole. By number each is found at once.
UPDATE delivery SET state = 'cancelled', reason = $1, settled_at = $2
WHERE number = ANY($3::text::bigint[]) AND state NOT IN ('delivered', 'dead', 'cancelled') RETURNING number, endpoint, lane
