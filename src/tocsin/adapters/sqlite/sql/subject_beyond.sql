SELECT 1 FROM event
WHERE subject_id = :subject_id AND subject_id <> ''
    AND tenant = :tenant --? tenant
LIMIT 1 OFFSET :budget
