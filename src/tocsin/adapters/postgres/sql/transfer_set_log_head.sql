UPDATE log_head SET position = $1, accepted_at = $2 WHERE one = 1
