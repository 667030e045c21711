DELETE FROM transfer WHERE one = 1
