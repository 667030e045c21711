DELETE FROM retention_left WHERE what = $1 AND number = ANY($2)
