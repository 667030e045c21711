DELETE FROM audit WHERE number IN (SELECT number FROM audit ORDER BY number LIMIT ?) AND at <= ?
