SELECT position FROM event WHERE position IN (SELECT value FROM carray(?)) AND cloud IS NULL AND length(data) = 0 LIMIT 1
