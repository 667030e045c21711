INSERT OR IGNORE INTO batch_left (delivery, batch)
SELECT number, batch FROM delivery WHERE number IN (SELECT value FROM carray(?)) AND batch IS NOT NULL
