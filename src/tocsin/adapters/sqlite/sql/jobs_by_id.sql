SELECT id, snapshot FROM job WHERE tenant = ? AND id IN (SELECT value FROM carray(?))
