UPDATE delivery SET state = 'dead', reason = $1, settled_at = $2 WHERE state = 'pending' AND number = $3
RETURNING number, endpoint, lane
