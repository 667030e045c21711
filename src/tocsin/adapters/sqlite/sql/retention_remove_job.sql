DELETE FROM job
WHERE number = ? AND updated_at = ?
    AND NOT EXISTS (SELECT 1 FROM job AS child WHERE child.parent = job.id AND child.tenant = job.tenant)
    AND NOT EXISTS (
        SELECT 1 FROM event
        WHERE subject_type = 'job' AND subject_id = job.id AND subject_id <> '' AND event.tenant = job.tenant
    )
