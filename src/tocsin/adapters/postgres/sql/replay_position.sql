SELECT position FROM replay WHERE number = $1
