UPDATE delivery SET state = 'dead', reason = 'expired', settled_at = $1
WHERE state = 'pending' AND number = ANY($2)
RETURNING number, endpoint, lane
