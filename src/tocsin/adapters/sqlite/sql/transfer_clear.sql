DELETE FROM /*table*/ cursor /*table*/
