DELETE FROM audit WHERE number IN (SELECT number FROM audit ORDER BY number LIMIT $1) AND at <= $2
