SELECT count(*), coalesce(max(number), 0) FROM delivery WHERE position = $1
