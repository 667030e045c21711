DELETE FROM delivery WHERE number = ANY($1)
