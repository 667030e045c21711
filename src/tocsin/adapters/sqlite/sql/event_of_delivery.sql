SELECT position FROM delivery WHERE number = ?
