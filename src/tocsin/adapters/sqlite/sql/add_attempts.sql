INSERT OR REPLACE INTO attempt (place, detail, body) VALUES /*row*/ (?, ?, ?) /*row*/
