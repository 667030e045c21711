INSERT INTO version (tenant, version_id, content_hash, event_ids) VALUES /*row*/ ($1, $2, $3, $4) /*row*/
