UPDATE delivery SET state = 'cancelled', reason = 'endpoint deleted', settled_at = ?
WHERE number IN (SELECT number FROM delivery WHERE state = 'pending' AND endpoint = ? LIMIT 1000)
RETURNING number, endpoint, lane
