UPDATE cursor SET epoch = epoch + 1 WHERE partition = 0 RETURNING epoch
