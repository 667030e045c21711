SELECT number FROM delivery
WHERE (state = 'pending' OR settled_at > ?) AND number IN (SELECT value FROM carray(?))
