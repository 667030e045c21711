SELECT epoch FROM cursor WHERE partition = 0
