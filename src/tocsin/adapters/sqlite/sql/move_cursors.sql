UPDATE cursor SET position = ?, endpoint = ?
WHERE partition = 0 AND epoch = ? AND position = ? AND endpoint = ?
    AND (SELECT revision FROM directory WHERE one = 1) = ?
