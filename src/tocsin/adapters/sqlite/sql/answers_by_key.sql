SELECT key, body_hash, status, body, at FROM answer WHERE tenant = ? AND route = ? AND key IN (SELECT value FROM carray(?))
