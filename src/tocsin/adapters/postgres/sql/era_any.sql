SELECT 1 FROM /*era*/ event_0 /*era*/ LIMIT 1
