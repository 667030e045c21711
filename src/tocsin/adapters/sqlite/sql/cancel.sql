UPDATE delivery SET state = 'cancelled', reason = ?, settled_at = ?
WHERE state = 'pending' AND number IN (SELECT value FROM carray(?)) RETURNING number, endpoint, lane
