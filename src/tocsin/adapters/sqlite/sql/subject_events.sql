SELECT position, keys, length(data), CASE WHEN subject_type = 'record' AND cloud IS NULL THEN data END
FROM event
WHERE position IN (SELECT value FROM carray(?)) AND +tenant = ?
ORDER BY position
