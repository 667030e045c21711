SELECT current_setting('server_version'), pg_database_size(current_database()), (SELECT coalesce(max(number), 0) FROM migration),
    (SELECT coalesce(max(oldest), 0) FROM migration), position, accepted_at
FROM log_head WHERE one = 1
