SELECT DISTINCT delivery FROM line WHERE delivery IN (SELECT value FROM carray(?))
