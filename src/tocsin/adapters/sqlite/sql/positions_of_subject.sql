SELECT position FROM event
WHERE position >> 11 IN (SELECT value FROM carray(:among)) AND subject_id = :subject_id AND subject_id <> ''
    AND tenant = :tenant --? tenant
    AND subject_type = :subject_type --? subject_type
    AND position >= :low AND position < :below
ORDER BY position >> 11 DESC, position DESC --? !oldest
ORDER BY position >> 11, position --? oldest
LIMIT :limit
