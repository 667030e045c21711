SELECT position, keys, length(data), CASE WHEN subject_type = 'record' AND cloud IS NULL THEN data END
FROM event
WHERE subject_type = ? AND subject_id = ? AND subject_id <> '' AND tenant = ? AND position <= ?
ORDER BY position LIMIT ?
