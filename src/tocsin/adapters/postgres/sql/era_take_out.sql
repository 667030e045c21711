ALTER TABLE /*table*/ event /*table*/ DETACH PARTITION /*era*/ event_0 /*era*/
