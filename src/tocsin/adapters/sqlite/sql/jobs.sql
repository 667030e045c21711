SELECT number, tenant, created_at, updated_at, snapshot
FROM job
WHERE number >= :low AND number < :below
    AND tenant = :tenant --? tenant !id
    AND +tenant = :tenant --? tenant
    AND id = :id --? id
    AND state = :state --? state
    AND job_type = :job_type --? job_type
    AND mode = :mode --? mode
    AND (instr(lower(name), lower(:search)) > 0 OR instr(lower(id), lower(:search)) > 0) --? search
    AND parent = :parent --? parent
    AND created_at >= :since --? since
    AND created_at < :until --? until
ORDER BY number DESC
LIMIT :limit
