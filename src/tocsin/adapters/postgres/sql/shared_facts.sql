SELECT
    (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
    CAST(current_setting('max_connections') AS bigint) - CAST(current_setting('superuser_reserved_connections') AS bigint),
    current_setting('fsync') = 'on' AND current_setting('full_page_writes') = 'on',
    current_setting('data_checksums') = 'on',
    coalesce((SELECT checksum_failures FROM pg_stat_database WHERE datname = current_database()), 0),
    (SELECT count(*) FROM pg_stat_replication),
    coalesce((
        SELECT CAST(extract(epoch FROM max(now() - xact_start)) AS double precision) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()
    ), 0.0),
    (SELECT CAST(age(datfrozenxid) AS bigint) FROM pg_database WHERE datname = current_database()),
    CAST(coalesce(sum(n_live_tup), 0) AS bigint),
    CAST(coalesce(sum(n_dead_tup), 0) AS bigint),
    (SELECT count(*) FROM pg_inherits WHERE inhparent IN (CAST('event' AS regclass), CAST('delivery' AS regclass), CAST('attempt' AS regclass)))
FROM pg_stat_user_tables
