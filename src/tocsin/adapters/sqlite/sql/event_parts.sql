SELECT position, subject_id, keys FROM event WHERE position BETWEEN ? AND ? AND tenant = ? AND keys IS NOT NULL
