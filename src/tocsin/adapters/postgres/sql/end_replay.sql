UPDATE replay SET total = CASE WHEN state = 'finished' THEN made ELSE total END, finished_at = $1 WHERE number = $2
