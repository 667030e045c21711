INSERT INTO line (endpoint, lane, key, delivery) VALUES /*row*/ ($1, $2, $3, $4) /*row*/
