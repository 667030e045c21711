SELECT block, since FROM pending_block WHERE tenant = ? AND endpoint = ? AND pending > 0 ORDER BY block LIMIT 1
