-- A PostgreSQL database with some rows in every table that grows, for tests of plans: events, deliveries and attempts lie half in their
-- first era and half in the rest.
INSERT INTO event SELECT 1038576 + g, 'evt_' || g, 'tenant' || g % 20, 'order.created', CASE WHEN g % 4 = 0 THEN 'job' ELSE 'order' END,
    CASE WHEN g % 10 = 0 THEN '' ELSE 's' || g % 5000 END, 'created', g * 1000, g * 1000, CASE WHEN g % 50 = 0 THEN '["a"]' END, NULL, 'x', g % 20
FROM generate_series(1, 20000) AS g;
INSERT INTO delivery SELECT 1028576 + g, 'dlv_' || g, 'tenant' || g / 2 % 20, g % 200 + 1, 1038577 + g / 2, CASE WHEN g % 100 = 0 THEN 1 + g % 5 ELSE 0 END,
    CASE WHEN g % 200 = 7 THEN 'pending' WHEN g % 97 = 0 THEN 'dead' WHEN g % 193 = 0 THEN 'cancelled' ELSE 'delivered' END,
    NULL, 0, g, 0, 0, 1, g * 500, g * 500 + 100, NULL, CASE WHEN g % 40 = 0 THEN g / 400 + 1 END
FROM generate_series(1, 39998) AS g;
INSERT INTO attempt SELECT (1028576 + g::bigint) << 20 | 1, 'x', 'y' FROM generate_series(1, 39998) AS g;
UPDATE log_head SET position = 1058576;
UPDATE cursor SET position = 1058576;
INSERT INTO job (tenant, id, state, job_type, mode, name, parent, root, created_at, updated_at, overdue_at, lost_at, snapshot)
SELECT 'tenant' || g % 20, 'j' || g, 'running', 't', 'm', 'n', CASE WHEN g % 3 = 0 THEN 'j' || g / 3 END, 'j1', g, g,
    CASE WHEN g % 50 = 0 THEN g END, CASE WHEN g % 50 = 0 THEN g END, 'x'
FROM generate_series(1, 5000) AS g;
INSERT INTO seen SELECT 'tenant' || g % 20, decode(md5(g::text), 'hex'), 'evt_' || g, g FROM generate_series(1, 5000) AS g;
INSERT INTO answer SELECT 'tenant' || g % 20, '/r', 'k' || g, '', 202, '', g FROM generate_series(1, 5000) AS g;
INSERT INTO version SELECT 'tenant' || g % 20, g, '', '[]' FROM generate_series(1, 5000) AS g;
INSERT INTO endpoint (id, tenant, revision, active_from, created_at, deleted_at, moved, config, partition)
SELECT 'end_' || g, 'tenant' || g % 20, 1, 0, 0, CASE WHEN g % 50 = 0 THEN 1 END, g, 'x', g % 20 FROM generate_series(1, 2000) AS g;
INSERT INTO batch (id, tenant, endpoint, lane, parent, state, due_at, step, at_once, attempts, created_at, waits_for)
SELECT 'b' || g, 'tenant' || g % 20, g % 200 + 1, 0, CASE WHEN g % 9 = 0 THEN g - 1 END, CASE WHEN g % 50 = 0 THEN 'pending' ELSE 'delivered' END,
    0, 0, 0, 1, g, CASE WHEN g % 100 = 0 THEN g - 1 END
FROM generate_series(1, 5000) AS g;
INSERT INTO batch_attempt SELECT g::bigint << 20 | 1, 'x', 'y' FROM generate_series(1, 5000) AS g;
INSERT INTO batch_left SELECT g, g / 2 + 1 FROM generate_series(1, 5000) AS g;
INSERT INTO line SELECT g % 200 + 1, 0, g % 3000, g FROM generate_series(1, 5000) AS g;
INSERT INTO audit (id, at, tenant, actor_key, action, target)
SELECT 'a' || g, g, 'tenant' || g % 20, 'k' || g % 10, 'x', 't' || g % 500 FROM generate_series(1, 5000) AS g;
INSERT INTO replay (id, tenant, endpoint, state, filters, only_these, new_webhook_ids, position, last, total, made, created_at, finished_at)
SELECT 'r' || g, 'tenant' || g % 20, g % 200 + 1, 'finished', '', 'all', 0, 0, 0, 0, 0, g, CASE WHEN g % 100 > 0 THEN g END FROM generate_series(1, 2000) AS g;
INSERT INTO retention_left SELECT 'rows', g FROM generate_series(1, 5000) AS g;
INSERT INTO tally SELECT 'tenant' || g % 20, g, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '', '', '' FROM generate_series(1, 2000) AS g;
INSERT INTO tally_history SELECT 'tenant' || g % 20, g, s, m, 0, 0, 0, 0, 0, 0, 0, 0, 0, '', '', '', NULL
FROM generate_series(1, 500) AS g, (VALUES (1), (60)) AS v (s), generate_series(1, 20) AS m;
INSERT INTO pending_block SELECT 'tenant' || g % 20, g % 200 + 1, g, 1, 0 FROM generate_series(1, 5000) AS g;
INSERT INTO given_up SELECT g, g, 'r', 1, '{}' FROM generate_series(1, 2000) AS g;
INSERT INTO streak SELECT 'tenant' || g % 20, decode(md5(g::text), 'hex'), 1, g FROM generate_series(1, 5000) AS g;
INSERT INTO erasure (id, tenant, subject_type, subject_id, state, last, progress, created_at)
SELECT 'e' || g, 'tenant' || g % 20, 'a', 'b', CASE WHEN g % 100 = 0 THEN 'running' ELSE 'finished' END, 0, '', g FROM generate_series(1, 2000) AS g;
INSERT INTO notice (tenant, type, about, time, data, once) SELECT 't', 'x', 'y', g, '', '' FROM generate_series(1, 2000) AS g;
