INSERT INTO /*table*/ cursor /*table*/ (/*columns*/ partition, position, endpoint, epoch /*columns*/)
VALUES /*rows*/ (?, ?, ?, ?) /*rows*/
