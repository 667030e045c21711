UPDATE delivery SET
    state = CASE WHEN $2::text = 'delivered' THEN $2::text ELSE state END,
    reason = CASE WHEN $2::text = 'delivered' THEN $3 ELSE reason END,
    due_at = $4, step = $5, at_once = $6, attempts = $7,
    settled_at = CASE WHEN $2::text = 'pending' THEN settled_at ELSE $8 END
WHERE number = $1 AND (state = 'cancelled' OR (state = 'dead' AND reason = 'expired'))
RETURNING state
