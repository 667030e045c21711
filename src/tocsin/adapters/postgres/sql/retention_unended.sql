SELECT number FROM delivery
WHERE (state = 'pending' OR settled_at > $1) AND number = ANY($2)
