CREATE TABLE /*era*/ event_0 /*era*/ PARTITION OF /*table*/ event /*table*/ FOR VALUES FROM (/*low*/ 0 /*low*/) TO (/*high*/ 1 /*high*/)
