SELECT count(*) FROM /*table*/ event /*table*/
