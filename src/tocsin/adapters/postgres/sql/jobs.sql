SELECT number, tenant, created_at, updated_at, snapshot
FROM job
WHERE number >= :low AND number < :below
    AND tenant = :tenant --? tenant
    AND id = :id --? id
    AND state = :state --? state
    AND job_type = :job_type --? job_type
    AND mode = :mode --? mode
    AND (position(lower(:search) IN lower(name)) > 0 OR position(lower(:search) IN lower(id)) > 0) --? search
    AND parent = :parent --? parent
    AND created_at >= :since --? since
    AND created_at < :until --? until
ORDER BY number DESC
LIMIT :limit
