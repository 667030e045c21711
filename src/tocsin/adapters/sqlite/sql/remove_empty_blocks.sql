DELETE FROM pending_block WHERE tenant = ? AND endpoint = ? AND pending = 0
