-- The directory stays as it is until COMMIT.
WITH known AS (SELECT revision FROM directory WHERE one = 1 FOR SHARE)
UPDATE cursor SET position = $1, endpoint = $2
FROM known
WHERE partition = $3 AND epoch = $4 AND position = $5 AND endpoint = $6 AND known.revision = $7
