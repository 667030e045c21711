SELECT hash, event_id FROM seen WHERE tenant = $1 AND hash = ANY($2)
