SELECT epoch FROM cursor WHERE partition = 0 AND epoch = $1 FOR SHARE
