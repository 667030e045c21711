SELECT tenant FROM delivery WHERE endpoint = ? LIMIT 1
