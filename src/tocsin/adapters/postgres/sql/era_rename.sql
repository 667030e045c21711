ALTER TABLE /*era*/ event_0 /*era*/ RENAME TO /*gone*/ event_0_gone /*gone*/
