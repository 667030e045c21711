DELETE FROM job
WHERE number = $1 AND updated_at = $2
    AND NOT EXISTS (SELECT 1 FROM job AS child WHERE child.parent = job.id AND child.tenant = job.tenant)
    AND NOT EXISTS (
        SELECT 1 FROM event
        WHERE subject_type = 'job' AND subject_id = job.id AND subject_id <> '' AND event.tenant = job.tenant
    )
