DELETE FROM job WHERE id = $1 AND tenant = $2 RETURNING job_type
