SELECT number, id, tenant, subject_type, subject_id, state, reason, last, progress, created_at, finished_at
FROM erasure
WHERE number > 0
    AND tenant = :tenant --? tenant
    AND number < :before --? before
    AND id = :id --? id
    AND state = :state --? state
    AND state = 'running' --? running
ORDER BY number DESC
LIMIT :limit --? limit
