SELECT position, keys, length(data), CASE WHEN subject_type = 'record' AND cloud IS NULL THEN data END
FROM event
WHERE subject_type = $1 AND subject_id = $2 AND subject_id <> '' AND tenant = $3 AND position <= $4
ORDER BY position LIMIT $5
