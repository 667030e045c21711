SELECT (SELECT position FROM log_head WHERE one = 1), (SELECT last_value FROM delivery_number)
