UPDATE delivery SET reason = 'erased' WHERE number IN (SELECT value FROM carray(?)) AND reason <> 'erased'
