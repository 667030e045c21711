INSERT INTO version (tenant, version_id, content_hash, event_ids) VALUES /*row*/ (?, ?, ?, ?) /*row*/
