INSERT INTO event (position, id, tenant, type, subject_type, subject_id, verb, time, accepted_at, keys, cloud, data)
VALUES /*row*/ ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) /*row*/
