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
    AND position >= (SELECT position FROM event WHERE accepted_at >= :since ORDER BY accepted_at, position LIMIT 1) --? since
    AND accepted_at < :until --? until
ORDER BY position DESC
LIMIT :limit
