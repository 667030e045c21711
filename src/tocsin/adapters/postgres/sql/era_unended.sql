SELECT number FROM delivery WHERE number >= $1 AND number < $2 AND (state = 'pending' OR settled_at > $3) LIMIT $4
