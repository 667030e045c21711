DELETE FROM pending_block WHERE tenant = $1 AND endpoint = $2 AND pending = 0
