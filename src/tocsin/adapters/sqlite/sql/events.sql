SELECT position, id, tenant, type, subject_type, subject_id, verb, time, accepted_at, keys, cloud, data
FROM event
WHERE position >= :low AND position < :below --? !among
WHERE position IN (SELECT value FROM carray(:among)) --? among
    AND tenant = :tenant --? tenant !id !among
    AND +tenant = :tenant --? tenant
    AND id = :id --? id
    AND +subject_type = :subject_type --? subject_type
    AND type = :type --? type
    AND type GLOB :type_glob --? type_glob
ORDER BY position DESC
LIMIT :limit
