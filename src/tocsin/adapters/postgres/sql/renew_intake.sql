UPDATE intake SET incarnation = $1, sequence = 0
