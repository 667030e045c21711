UPDATE cursor SET position = ?, endpoint = ?
WHERE partition = ? AND epoch = ? AND position = ? AND endpoint = ?
    AND (SELECT revision FROM directory WHERE one = 1) = ?
