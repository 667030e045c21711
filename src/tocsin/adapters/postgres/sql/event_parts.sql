SELECT position, subject_id, keys FROM event WHERE position BETWEEN $1 AND $2 AND tenant = $3 AND keys IS NOT NULL
