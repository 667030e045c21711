INSERT INTO line (endpoint, lane, key, delivery) VALUES /*row*/ (?, ?, ?, ?) /*row*/
