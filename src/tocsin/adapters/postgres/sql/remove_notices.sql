DELETE FROM notice WHERE number = ANY($1)
