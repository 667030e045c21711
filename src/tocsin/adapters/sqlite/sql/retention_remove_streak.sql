DELETE FROM streak WHERE tenant = ? AND hash = ? AND at = ?
