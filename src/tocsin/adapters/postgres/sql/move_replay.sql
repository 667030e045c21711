-- The endpoint is not removed before COMMIT.
WITH kept AS (
    SELECT e.number FROM replay AS r JOIN endpoint AS e ON e.number = r.endpoint
    WHERE r.number = $3 AND e.deleted_at IS NULL
    FOR SHARE OF e
)
UPDATE replay SET position = $1, made = made + $2 FROM kept
WHERE replay.number = $3 AND replay.position = $4 AND replay.state = 'running' AND kept.number = replay.endpoint
