-- The state is hidden from the planner, which else reads all that is pending where it believes that to be little.
UPDATE delivery SET
    state = outcome.state, reason = outcome.reason,
    due_at = outcome.due_at, step = outcome.step, at_once = outcome.at_once, attempts = outcome.attempts,
    settled_at = CASE WHEN outcome.state = 'pending' THEN delivery.settled_at ELSE outcome.settled_at END
FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[])
    AS outcome (number, state, reason, due_at, step, at_once, attempts, settled_at)
WHERE delivery.number = outcome.number AND delivery.state || '' = 'pending'
