INSERT OR FAIL INTO event (position, id, tenant, type, subject_type, subject_id, verb, time, accepted_at, keys, cloud, data)
VALUES /*row*/ (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) /*row*/
