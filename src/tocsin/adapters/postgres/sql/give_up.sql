-- Not `state = 'pending'`: the index of what is pending would do for that, and be read as a whole. By number each is found at once.
UPDATE delivery SET state = 'dead', reason = $1, settled_at = $2 WHERE number = $3 AND state NOT IN ('delivered', 'dead', 'cancelled')
RETURNING number, endpoint, lane
