DELETE FROM job WHERE id = ? AND tenant = ? RETURNING job_type
