DELETE FROM receipt WHERE ctid = ANY(ARRAY(SELECT ctid FROM receipt WHERE at < $1 ORDER BY at LIMIT $2))
