SELECT position, id, tenant, type, subject_type, subject_id, verb, time, accepted_at, keys, cloud, data
FROM event
WHERE position >= :low AND position < :below
    AND tenant = :tenant --? tenant
    AND id = :id --? id
    AND subject_id = :subject_id AND subject_id <> '' --? subject_id
    AND subject_type = :subject_type --? subject_type
    AND type = :type --? type
    AND type LIKE :type_pattern --? type_pattern
ORDER BY position DESC
LIMIT :limit
