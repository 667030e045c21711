UPDATE delivery SET batch = $1 WHERE number = ANY($2) AND batch = $3
