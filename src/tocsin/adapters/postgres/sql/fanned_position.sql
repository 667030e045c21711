SELECT position FROM cursor WHERE partition = $1
