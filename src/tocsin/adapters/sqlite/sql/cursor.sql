SELECT position, endpoint FROM cursor WHERE partition = ? AND epoch = ?
