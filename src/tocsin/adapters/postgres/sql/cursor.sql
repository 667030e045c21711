SELECT position, endpoint FROM cursor WHERE partition = $1 AND epoch = $2
