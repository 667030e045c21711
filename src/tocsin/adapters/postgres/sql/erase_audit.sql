UPDATE audit SET before = NULL, after = NULL WHERE number = ANY($1)
