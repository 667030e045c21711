SELECT epoch FROM cursor WHERE partition = ?
