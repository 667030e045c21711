SELECT number, attempts FROM delivery WHERE number = ANY($1)
