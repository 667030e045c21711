-- Tallies: numbers kept beside the rows that they count, written in the same transactions. Times are milliseconds since
-- 1970-01-01 UTC, except `minute`: minutes since then.

-- One row for each endpoint, one for each tenant (endpoint 0), one for everything (endpoint 0, tenant ''), as they stand after the
-- last change, in `minute`. Counts but `pending` and `dead` grow for ever; `errors` and the durations are packed whole numbers.
CREATE TABLE tally (
    tenant TEXT NOT NULL,
    endpoint INTEGER NOT NULL,
    minute INTEGER NOT NULL,
    pending INTEGER NOT NULL,
    dead INTEGER NOT NULL,
    events INTEGER NOT NULL,
    attempts_delivered INTEGER NOT NULL,
    attempts_retry INTEGER NOT NULL,
    attempts_rejected INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    died INTEGER NOT NULL,
    cancelled INTEGER NOT NULL,
    errors BLOB NOT NULL,
    attempt_ms BLOB NOT NULL,
    delivered_ms BLOB NOT NULL,
    PRIMARY KEY (tenant, endpoint)
) STRICT, WITHOUT ROWID;

-- The same rows as they stood at the end of a period of `step` minutes that begins in `minute`. A period in which nothing
-- changed has none: the one before still holds. The packed numbers are compressed.
CREATE TABLE tally_history (
    tenant TEXT NOT NULL,
    endpoint INTEGER NOT NULL,
    step INTEGER NOT NULL,
    minute INTEGER NOT NULL,
    pending INTEGER NOT NULL,
    dead INTEGER NOT NULL,
    events INTEGER NOT NULL,
    attempts_delivered INTEGER NOT NULL,
    attempts_retry INTEGER NOT NULL,
    attempts_rejected INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    died INTEGER NOT NULL,
    cancelled INTEGER NOT NULL,
    errors BLOB NOT NULL,
    attempt_ms BLOB NOT NULL,
    delivered_ms BLOB NOT NULL,
    oldest_at INTEGER,
    PRIMARY KEY (tenant, endpoint, step, minute)
) STRICT, WITHOUT ROWID;

-- Pending deliveries by 2048 delivery numbers: the oldest is found without passing what was settled. `since` is when the first of
-- them was made. Empty rows are removed by and by.
CREATE TABLE pending_block (
    tenant TEXT NOT NULL,
    endpoint INTEGER NOT NULL,
    block INTEGER NOT NULL,
    pending INTEGER NOT NULL,
    since INTEGER NOT NULL,
    PRIMARY KEY (tenant, endpoint, block)
) STRICT, WITHOUT ROWID;

-- The progress of a replay is kept in its row from now on.
ALTER TABLE replay ADD COLUMN pending INTEGER NOT NULL DEFAULT 0;
UPDATE replay SET
    pending = (SELECT count(*) FROM delivery WHERE lane = replay.number AND state = 'pending'),
    done = coalesce(done, (SELECT count(*) FROM delivery WHERE lane = replay.number AND state = 'delivered')),
    failed = coalesce(failed, (SELECT count(*) FROM delivery WHERE lane = replay.number AND state IN ('dead', 'cancelled')));

INSERT INTO tally
SELECT tenant, 0, 0, sum(state = 'pending'), sum(state = 'dead'), 0, 0, 0, 0, sum(state = 'delivered'),
    sum(state = 'dead'), sum(state = 'cancelled'), x'', x'', x''
FROM (SELECT '' AS tenant, state FROM delivery UNION ALL SELECT tenant, state FROM delivery) GROUP BY tenant;
INSERT INTO tally
SELECT tenant, endpoint, 0, sum(state = 'pending'), sum(state = 'dead'), 0, 0, 0, 0, sum(state = 'delivered'),
    sum(state = 'dead'), sum(state = 'cancelled'), x'', x'', x''
FROM delivery GROUP BY tenant, endpoint;
INSERT INTO pending_block
SELECT tenant, endpoint, number / 2048, count(*), min(created_at)
FROM (
    SELECT tenant, endpoint, number, created_at FROM delivery WHERE state = 'pending'
    UNION ALL SELECT tenant, 0, number, created_at FROM delivery WHERE state = 'pending'
    UNION ALL SELECT '', 0, number, created_at FROM delivery WHERE state = 'pending'
)
GROUP BY 1, 2, 3;

-- Lists: what was given up on is found by endpoint and over all tenants too.
CREATE INDEX delivery_given_up_by_endpoint ON delivery (endpoint, state, number) WHERE state IN ('dead', 'cancelled');
-- A replay of what is dead goes from one such event to the next.
CREATE INDEX delivery_dead ON delivery (endpoint, position) WHERE state = 'dead';
CREATE INDEX delivery_given_up_of_all ON delivery (state, number) WHERE state IN ('dead', 'cancelled');
