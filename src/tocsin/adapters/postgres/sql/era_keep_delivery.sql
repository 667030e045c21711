INSERT INTO delivery SELECT * FROM /*era*/ delivery_0 /*era*/ WHERE number = ANY($1::bigint[])
