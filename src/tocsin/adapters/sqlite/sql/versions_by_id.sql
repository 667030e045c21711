SELECT version_id, content_hash, event_ids FROM version WHERE tenant = ? AND version_id IN (SELECT value FROM carray(?))
