UPDATE delivery SET state = 'dead', reason = 'expired', settled_at = ?
WHERE state = 'pending' AND number IN (SELECT value FROM carray(?))
RETURNING number, endpoint, lane
