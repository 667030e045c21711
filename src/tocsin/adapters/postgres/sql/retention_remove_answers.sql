DELETE FROM answer WHERE ctid = ANY(ARRAY(SELECT ctid FROM answer ORDER BY at LIMIT $1)) AND at <= $2
