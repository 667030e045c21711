UPDATE delivery SET reason = 'erased' WHERE number = ANY($1) AND reason <> 'erased'
