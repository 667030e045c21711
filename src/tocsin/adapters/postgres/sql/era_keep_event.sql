INSERT INTO event SELECT * FROM /*era*/ event_0 /*era*/ WHERE position = ANY($1::bigint[])
