UPDATE replay SET
    total = CASE WHEN state = 'finished' THEN made ELSE total END,
    done = (SELECT count(*) FROM delivery WHERE lane = replay.number AND state = 'delivered'),
    failed = (SELECT count(*) FROM delivery WHERE lane = replay.number AND state IN ('dead', 'cancelled')),
    finished_at = ?
WHERE number = ?
