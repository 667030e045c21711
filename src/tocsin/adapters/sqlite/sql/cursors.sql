SELECT partition, position, endpoint FROM cursor WHERE epoch = ?
