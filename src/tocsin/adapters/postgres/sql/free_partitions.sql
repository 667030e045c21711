UPDATE cursor SET holder = NULL, fenced_at = clock_timestamp() WHERE holder = $1
