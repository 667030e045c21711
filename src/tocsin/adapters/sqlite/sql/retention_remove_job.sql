DELETE FROM job
WHERE number = ? AND updated_at = ?
    AND NOT EXISTS (SELECT 1 FROM job AS child WHERE child.parent = job.id AND child.tenant = job.tenant)
