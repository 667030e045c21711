SELECT position, id, tenant, type, subject_type, subject_id, verb, time, accepted_at, keys, cloud, data
FROM event WHERE position > $1 ORDER BY position LIMIT $2
