SELECT position FROM replay WHERE number = ?
