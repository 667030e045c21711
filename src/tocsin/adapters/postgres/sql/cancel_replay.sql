UPDATE delivery SET state = 'cancelled', reason = 'the replay was cancelled', settled_at = $1
WHERE number IN (SELECT number FROM delivery WHERE lane = $2 AND lane > 0 AND state = 'pending' LIMIT 1000)
RETURNING number, endpoint, lane
