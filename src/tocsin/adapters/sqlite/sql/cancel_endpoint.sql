UPDATE delivery SET state = 'cancelled', reason = 'endpoint deleted', settled_at = ?
WHERE number IN (
    SELECT number FROM delivery
    WHERE state <> 'delivered' AND state = 'pending' AND tenant = ? AND endpoint = ? LIMIT 1000
)
