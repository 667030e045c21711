DELETE FROM streak WHERE tenant = $1 AND hash = $2 AND at = $3
