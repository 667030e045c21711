SELECT position, id, tenant, type, subject_type, subject_id, verb, time, accepted_at, keys, cloud, data
FROM event
WHERE position > 0
    AND tenant = :tenant --? tenant !id !subject_id
    AND +tenant = :tenant --? tenant
    AND id = :id --? id
    AND position < :before --? before
    AND subject_id = :subject_id AND subject_id <> '' --? subject_id
    AND subject_type = :subject_type --? subject_type subject_id
    AND +subject_type = :subject_type --? subject_type !subject_id
    AND type = :type --? type
    AND position >= :from_position --? from_position
    AND position < :to_position --? to_position
ORDER BY position DESC
LIMIT :limit
