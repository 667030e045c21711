UPDATE cursor SET position = $1, endpoint = $2
WHERE partition = $3 AND epoch = $4 AND position = $5 AND endpoint = $6
    AND (SELECT revision FROM directory WHERE one = 1) = $7
