UPDATE delivery SET batch = NULL WHERE number = ANY($1)
