INSERT OR IGNORE INTO retention_left (what, number) SELECT ?, value FROM carray(?)
