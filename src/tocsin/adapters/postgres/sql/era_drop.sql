DROP TABLE IF EXISTS /*era*/ event_0_gone /*era*/
