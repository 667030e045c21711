INSERT OR REPLACE INTO attempt (place, detail, body) VALUES /*row*/ ($1, $2, $3) /*row*/
