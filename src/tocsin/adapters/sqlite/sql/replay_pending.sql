SELECT count(*) FROM delivery WHERE lane = ? AND lane > 0 AND state = 'pending'
