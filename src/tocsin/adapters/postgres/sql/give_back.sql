UPDATE cursor SET holder = NULL WHERE holder = $1 AND partition = ANY($2)
