UPDATE delivery SET state = 'cancelled', reason = $1, settled_at = $2
WHERE state = 'pending' AND number = ANY($3) RETURNING number, endpoint, lane
