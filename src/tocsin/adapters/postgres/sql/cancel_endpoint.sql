UPDATE delivery SET state = 'cancelled', reason = 'endpoint deleted', settled_at = $1
WHERE number IN (SELECT number FROM delivery WHERE state = 'pending' AND endpoint = $2 LIMIT 1000)
RETURNING number, endpoint, lane
