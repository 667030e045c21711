-- Attempts are kept and deliveries move on, unless the first attempt ($12) is kept already as it is ($13): then all were. Gives whether
-- that is so, how many moved, and the ordered endpoints among those that end. Not `state = 'pending'`: the index of what is pending would
-- do for that, and be read as a whole. By number each is found at once.
WITH before AS MATERIALIZED (
    SELECT EXISTS (SELECT FROM attempt WHERE place = $12 AND detail = $13) AS was_settled
), outcome AS MATERIALIZED (
    SELECT given.* FROM before, unnest($1::text::bigint[], $2::text::text[], $3::text::text[], $4::text::bigint[], $5::text::bigint[],
        $6::text::bigint[], $7::text::bigint[], $8::text::bigint[])
        AS given (number, state, reason, due_at, step, at_once, attempts, settled_at)
    WHERE NOT was_settled
), kept AS (
    INSERT INTO attempt (place, detail, body)
    SELECT given.* FROM before, unnest($9::text::bigint[], $10::bytea[], $11::bytea[]) AS given (place, detail, body) WHERE NOT was_settled
    ON CONFLICT (place) DO UPDATE SET detail = excluded.detail, body = excluded.body
), moved AS (
    UPDATE delivery SET
        state = outcome.state, reason = outcome.reason,
        due_at = outcome.due_at, step = outcome.step, at_once = outcome.at_once, attempts = outcome.attempts,
        settled_at = CASE WHEN outcome.state = 'pending' THEN delivery.settled_at ELSE outcome.settled_at END
    FROM outcome
    WHERE delivery.number = outcome.number AND delivery.state NOT IN ('delivered', 'dead', 'cancelled')
    RETURNING 1
)
SELECT was_settled, (SELECT count(*) FROM moved),
    ARRAY(SELECT DISTINCT endpoint FROM line WHERE delivery = ANY($1::text::bigint[]) ORDER BY endpoint)
FROM before
