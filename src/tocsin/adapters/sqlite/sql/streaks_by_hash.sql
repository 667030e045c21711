SELECT hash, failures FROM streak WHERE tenant = ? AND hash IN (SELECT value FROM carray(?))
