SELECT epoch FROM cursor WHERE partition = $1 FOR SHARE
