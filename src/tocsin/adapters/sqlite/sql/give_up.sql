UPDATE delivery SET state = 'dead', reason = ?, settled_at = ? WHERE state = 'pending' AND number = ?
RETURNING number, endpoint, lane
