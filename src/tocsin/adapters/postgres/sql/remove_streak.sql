DELETE FROM streak WHERE tenant = $1 AND hash = $2
