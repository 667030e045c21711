UPDATE delivery SET
    state = CASE WHEN state = 'pending' OR ((state = 'cancelled' OR (state = 'dead' AND reason = 'expired')) AND :state = 'delivered') THEN :state ELSE state END,
    reason = CASE WHEN state = 'pending' OR ((state = 'cancelled' OR (state = 'dead' AND reason = 'expired')) AND :state = 'delivered') THEN :reason ELSE reason END,
    settled_at = CASE WHEN state = 'pending' OR ((state = 'cancelled' OR (state = 'dead' AND reason = 'expired')) AND :state = 'delivered') THEN :at ELSE settled_at END
WHERE batch = :batch
RETURNING number
