SELECT id, snapshot FROM job WHERE tenant = $1 AND id = ANY($2)
