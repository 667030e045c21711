SELECT id FROM event WHERE subject_type = $1 AND subject_id = $2 AND tenant = $3 AND position <= $4 AND id = ANY($5)
