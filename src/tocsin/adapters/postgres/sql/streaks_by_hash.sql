SELECT hash, failures FROM streak WHERE tenant = $1 AND hash = ANY($2)
