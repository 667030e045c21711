UPDATE delivery SET state = 'cancelled', reason = 'the replay was cancelled', settled_at = ?
WHERE number IN (SELECT number FROM delivery WHERE lane = ? AND lane > 0 AND state = 'pending' LIMIT 1000)
RETURNING number, endpoint, lane
