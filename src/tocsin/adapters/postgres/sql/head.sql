SELECT position, accepted_at FROM log_head WHERE one = 1
