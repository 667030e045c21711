DELETE FROM batch_left WHERE delivery IN (SELECT value FROM carray(?))
