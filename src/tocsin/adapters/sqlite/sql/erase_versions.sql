UPDATE version SET content_hash = x'' WHERE tenant = ? AND version_id IN (SELECT value FROM carray(?)) AND content_hash <> x''
