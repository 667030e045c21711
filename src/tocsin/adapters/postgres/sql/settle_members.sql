UPDATE delivery SET
    state = CASE WHEN state = 'pending' OR ((state = 'cancelled' OR (state = 'dead' AND reason = 'expired')) AND $1::text = 'delivered') THEN $1::text ELSE state END,
    reason = CASE WHEN state = 'pending' OR ((state = 'cancelled' OR (state = 'dead' AND reason = 'expired')) AND $1::text = 'delivered') THEN $2 ELSE reason END,
    settled_at = CASE WHEN state = 'pending' OR ((state = 'cancelled' OR (state = 'dead' AND reason = 'expired')) AND $1::text = 'delivered') THEN $3 ELSE settled_at END
WHERE batch = $4
RETURNING number
