SELECT version_id, content_hash, event_ids FROM version WHERE tenant = $1 AND version_id = ANY($2)
