INSERT INTO seen (tenant, hash, event_id, at) VALUES /*row*/ ($1, $2, $3, $4) /*row*/
