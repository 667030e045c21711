DELETE FROM session WHERE hash = :hash
