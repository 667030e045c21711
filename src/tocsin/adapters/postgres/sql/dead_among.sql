SELECT number, endpoint, lane FROM delivery WHERE number = ANY($1) AND state = 'dead'
