-- Of a delivery that was given up on while it may have been out.
SELECT state FROM delivery WHERE number = $1 AND (state = 'cancelled' OR (state = 'dead' AND reason = 'expired'))
