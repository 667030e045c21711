INSERT INTO seen (tenant, hash, event_id, at) VALUES /*row*/ (?, ?, ?, ?) /*row*/
