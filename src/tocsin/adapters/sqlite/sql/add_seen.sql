INSERT OR FAIL INTO seen (tenant, hash, event_id, at) VALUES /*row*/ (?, ?, ?, ?) /*row*/
