SELECT position, id, tenant, type, subject_type, subject_id, verb, time, accepted_at, keys, cloud, data
FROM event WHERE position > ? ORDER BY position LIMIT ?
