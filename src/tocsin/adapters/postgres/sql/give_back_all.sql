UPDATE cursor SET holder = NULL WHERE holder = $1
