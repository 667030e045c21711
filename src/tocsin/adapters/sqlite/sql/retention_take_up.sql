DELETE FROM retention_left WHERE what = ? AND number IN (SELECT value FROM carray(?))
