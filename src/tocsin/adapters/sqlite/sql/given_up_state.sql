-- Of a delivery that was given up on while it may have been out.
SELECT state FROM delivery WHERE number = ? AND (state = 'cancelled' OR (state = 'dead' AND reason = 'expired'))
