UPDATE cursor SET epoch = epoch + 1 WHERE partition = ? RETURNING epoch, position, endpoint
