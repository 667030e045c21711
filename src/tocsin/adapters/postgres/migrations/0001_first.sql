-- The first schema. Times are milliseconds since 1970-01-01 UTC, except `minute`: minutes since then. The tables are those of the
-- embedded store; what differs is said.
--
-- Events, deliveries and attempts lie in eras: partitions by ranges of their primary keys, which grow with time. Retention opens the next one
-- ahead and drops old ones (adapters/postgres/eras.py); what belongs to none lies in the rest. Ids are unique by the way they are made:
-- a unique index would have to begin with the key.

-- `partition` is that of the tenant.
CREATE TABLE event (
    position bigint PRIMARY KEY,
    id text NOT NULL,
    tenant text NOT NULL,
    type text NOT NULL,
    subject_type text NOT NULL,
    subject_id text NOT NULL,
    verb text NOT NULL,
    time bigint NOT NULL,
    accepted_at bigint NOT NULL,
    keys text,
    cloud bytea,
    data bytea NOT NULL,
    partition smallint NOT NULL
) PARTITION BY RANGE (position);
CREATE TABLE event_0 PARTITION OF event FOR VALUES FROM (0) TO (1048576);
CREATE TABLE event_rest PARTITION OF event DEFAULT;
CREATE INDEX event_by_id ON event (id);
CREATE INDEX event_by_tenant ON event (tenant, position);
CREATE INDEX event_by_subject ON event (subject_id, tenant, position) WHERE subject_id <> '';

-- The last transaction of each process that writes: with each COMMIT goes its number, so that afterwards it can be told what became of it.
CREATE TABLE committed (
    writer text PRIMARY KEY,
    number bigint NOT NULL,
    at timestamptz NOT NULL
) WITH (fillfactor = 10);

-- The head of the log. Whoever appends moves it, and so holds its row until COMMIT: position order is commit order.
CREATE TABLE log_head (
    one integer PRIMARY KEY CHECK (one = 1),
    position bigint NOT NULL,
    accepted_at bigint NOT NULL
) WITH (fillfactor = 10);
INSERT INTO log_head VALUES (1, 0, 0);

CREATE TABLE job (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant text NOT NULL,
    id text NOT NULL,
    state text NOT NULL,
    job_type text NOT NULL,
    mode text NOT NULL,
    name text,
    parent text,
    root text NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    overdue_at bigint,
    lost_at bigint,
    snapshot bytea NOT NULL,
    UNIQUE (id, tenant)
);
CREATE INDEX job_by_parent ON job (parent, tenant, number) WHERE parent IS NOT NULL;
CREATE INDEX job_by_tenant ON job (tenant, number);
CREATE INDEX job_by_overdue ON job (overdue_at) WHERE overdue_at IS NOT NULL;
CREATE INDEX job_by_lost ON job (lost_at) WHERE lost_at IS NOT NULL;

CREATE TABLE seen (
    tenant text NOT NULL,
    hash bytea NOT NULL,
    event_id text NOT NULL,
    at bigint NOT NULL,
    PRIMARY KEY (tenant, hash)
);

CREATE TABLE answer (
    tenant text NOT NULL,
    route text NOT NULL,
    key text NOT NULL,
    body_hash bytea NOT NULL,
    status bigint NOT NULL,
    body bytea NOT NULL,
    at bigint NOT NULL,
    PRIMARY KEY (tenant, route, key)
);
CREATE INDEX answer_by_age ON answer (at);

CREATE TABLE version (
    tenant text NOT NULL,
    version_id bigint NOT NULL,
    content_hash bytea NOT NULL,
    event_ids text NOT NULL,
    PRIMARY KEY (tenant, version_id)
);

CREATE TABLE tenant (
    name text PRIMARY KEY,
    version_counter bigint NOT NULL,
    created_at bigint NOT NULL
);

-- The processes that may write, each with the number of its last beat. Whoever takes that right away removes the row. `knows` is the
-- newest migration of its code.
CREATE TABLE node (
    epoch bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    beats bigint NOT NULL DEFAULT 0,
    is_watching boolean NOT NULL DEFAULT false,
    knows bigint NOT NULL
) WITH (fillfactor = 10);

-- How far the fan-out of each partition is, and which node holds it (null: it is free). `fenced_at` is when the right of one that
-- held it was taken away last.
CREATE TABLE cursor (
    partition smallint PRIMARY KEY,
    position bigint NOT NULL,
    endpoint bigint NOT NULL,
    holder bigint REFERENCES node DEFERRABLE INITIALLY DEFERRED,
    fenced_at timestamptz
) WITH (fillfactor = 10);
INSERT INTO cursor SELECT partition, 0, 0 FROM generate_series(0, 63) AS of (partition);

-- How often others should have noticed a change of something.
CREATE TABLE revision (what text PRIMARY KEY, number bigint NOT NULL) WITH (fillfactor = 10);
INSERT INTO revision VALUES ('standings', 0), ('api_keys', 0), ('data_keys', 0), ('replays', 0), ('retention', 0);

-- Grows with each change of an endpoint, so that fan-out never works from an older list; `endpoint.moved` is the revision
-- in which it changed last.
CREATE TABLE directory (one integer PRIMARY KEY CHECK (one = 1), revision bigint NOT NULL);
INSERT INTO directory VALUES (1, 1);

CREATE TABLE endpoint (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE,
    tenant text NOT NULL,
    revision bigint NOT NULL,
    active_from bigint NOT NULL,
    created_at bigint NOT NULL,
    deleted_at bigint,
    moved bigint NOT NULL,
    config bytea NOT NULL,
    partition smallint NOT NULL
);
CREATE INDEX endpoint_by_partition ON endpoint (partition) WHERE deleted_at IS NULL;
CREATE INDEX endpoint_by_move ON endpoint (moved);
CREATE INDEX endpoint_by_tenant ON endpoint (tenant, number) WHERE deleted_at IS NULL;

-- `moved` is the revision of the standings in which it was written last.
CREATE TABLE standing (
    endpoint bigint PRIMARY KEY,
    state bytea NOT NULL,
    moved bigint NOT NULL DEFAULT 0
);
CREATE INDEX standing_by_move ON standing (moved);

-- What came to another node and is for the holder of an endpoint to do. `number` is the revision of the standings.
CREATE TABLE standing_wish (
    endpoint bigint NOT NULL,
    what text NOT NULL CHECK (what IN ('resume', 'consent')),
    number bigint NOT NULL,
    wish bytea NOT NULL,
    PRIMARY KEY (endpoint, what)
);

-- Delivery numbers; drawn in the transaction that inserts.
CREATE SEQUENCE delivery_number;

CREATE TABLE delivery (
    number bigint PRIMARY KEY,
    id text NOT NULL,
    tenant text NOT NULL,
    endpoint bigint NOT NULL,
    position bigint NOT NULL,
    lane bigint NOT NULL,
    state text NOT NULL CHECK (state IN ('pending', 'delivered', 'dead', 'cancelled')),
    reason text,
    blocked bigint NOT NULL CHECK (blocked >= 0),
    due_at bigint NOT NULL,
    step bigint NOT NULL,
    at_once bigint NOT NULL,
    attempts bigint NOT NULL,
    created_at bigint NOT NULL,
    settled_at bigint,
    resend_of bigint,
    batch bigint
) PARTITION BY RANGE (number);
CREATE TABLE delivery_0 PARTITION OF delivery FOR VALUES FROM (0) TO (1048576);
CREATE TABLE delivery_rest PARTITION OF delivery DEFAULT;
CREATE INDEX delivery_by_id ON delivery (id);
CREATE INDEX delivery_pending ON delivery (endpoint, lane, blocked, due_at, number) WHERE state = 'pending';
CREATE INDEX delivery_by_event ON delivery (position);
CREATE INDEX delivery_by_endpoint ON delivery (endpoint, number);
CREATE INDEX delivery_by_tenant ON delivery (tenant, number);
CREATE INDEX delivery_given_up ON delivery (state, tenant, number) WHERE state IN ('dead', 'cancelled');
CREATE INDEX delivery_given_up_by_endpoint ON delivery (endpoint, state, number) WHERE state IN ('dead', 'cancelled');
-- A replay of what is dead goes from one such event to the next.
CREATE INDEX delivery_dead ON delivery (endpoint, position) WHERE state = 'dead';
CREATE INDEX delivery_given_up_of_all ON delivery (state, number) WHERE state IN ('dead', 'cancelled');
CREATE INDEX delivery_of_replay ON delivery (lane, position) WHERE lane > 0;
CREATE INDEX delivery_by_lane ON delivery (lane, state) WHERE lane > 0;
CREATE INDEX delivery_by_batch ON delivery (batch, number) WHERE batch IS NOT NULL;

-- The lines of an ordered endpoint: who waits for whom. `key` is a 64-bit hash; a collision only makes somebody wait. `has_ended`:
-- the delivery was cancelled, and stays until it is sure that it is not out.
CREATE TABLE line (
    endpoint bigint NOT NULL,
    lane bigint NOT NULL,
    key bigint NOT NULL,
    delivery bigint NOT NULL,
    has_ended boolean NOT NULL DEFAULT false,
    PRIMARY KEY (endpoint, lane, key, delivery)
);
CREATE INDEX line_ended ON line (endpoint) WHERE has_ended;
CREATE INDEX line_by_delivery ON line (delivery);

-- `place` is delivery number << 20 | attempt number. `body` is null where it is the one of an earlier attempt.
CREATE TABLE attempt (
    place bigint PRIMARY KEY,
    detail bytea NOT NULL,
    body bytea
) PARTITION BY RANGE (place);
CREATE TABLE attempt_0 PARTITION OF attempt FOR VALUES FROM (0) TO (1099511627776);
CREATE TABLE attempt_rest PARTITION OF attempt DEFAULT;

CREATE TABLE api_key (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE,
    name text NOT NULL,
    role text NOT NULL,
    tenant text,
    hash bytea NOT NULL UNIQUE,
    created_at bigint NOT NULL,
    expires_at bigint,
    last_used_at bigint,
    revoked_at bigint
);

-- Who is signed in to the web interface, and links that sign in once; by the SHA-256 of what only the browser has.
CREATE TABLE session (
    hash bytea PRIMARY KEY,
    key text NOT NULL,
    started_at bigint NOT NULL,
    seen_at bigint NOT NULL,
    is_by_link bigint NOT NULL
);
CREATE INDEX session_by_key ON session (key, seen_at);
CREATE INDEX session_by_use ON session (seen_at);

CREATE TABLE sign_in_link (
    hash bytea PRIMARY KEY,
    ends_at bigint NOT NULL
);

CREATE TABLE data_key (
    id bigint PRIMARY KEY,
    master_key text NOT NULL,
    wrapped bytea NOT NULL,
    created_at bigint NOT NULL
);

CREATE TABLE audit (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE,
    at bigint NOT NULL,
    tenant text,
    actor_key text,
    actor_name text,
    actor_role text,
    action text NOT NULL,
    target text NOT NULL,
    before bytea,
    after bytea
);
CREATE INDEX audit_by_tenant ON audit (tenant, number);
CREATE INDEX audit_by_target ON audit (target, number);
CREATE INDEX audit_by_actor ON audit (actor_key, number);

-- Replays: each has a lane of deliveries, which has its number.
CREATE TABLE replay (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE,
    tenant text NOT NULL,
    endpoint bigint NOT NULL,
    state text NOT NULL CHECK (state IN ('running', 'paused', 'finished', 'cancelled', 'failed')),
    reason text,
    filters bytea NOT NULL,
    only_these text NOT NULL,
    dead_reason text,
    rate_per_second double precision,
    new_webhook_ids bigint NOT NULL,
    since bigint,
    until bigint,
    position bigint NOT NULL,
    last bigint NOT NULL,
    total bigint NOT NULL,
    made bigint NOT NULL,
    pending bigint NOT NULL DEFAULT 0,
    done bigint,
    failed bigint,
    created_at bigint NOT NULL,
    finished_at bigint
);
CREATE INDEX replay_by_tenant ON replay (tenant, number);
CREATE INDEX replay_under_way ON replay (number) WHERE finished_at IS NULL;

-- Batches: fixed members, one request. A member that is pending is sent with its batch only. `removed` is what retention took of it:
-- 1 bodies, 2 attempts.
CREATE TABLE batch (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE,
    tenant text NOT NULL,
    endpoint bigint NOT NULL,
    lane bigint NOT NULL,
    parent bigint,
    state text NOT NULL CHECK (state IN ('pending', 'delivered', 'dead', 'split')),
    due_at bigint NOT NULL,
    step bigint NOT NULL,
    at_once bigint NOT NULL,
    attempts bigint NOT NULL,
    created_at bigint NOT NULL,
    settled_at bigint,
    waits_for bigint,
    removed bigint NOT NULL DEFAULT 0
);
CREATE INDEX batch_pending ON batch (endpoint, lane, due_at, number) WHERE state = 'pending';
CREATE INDEX batch_by_wait ON batch (waits_for) WHERE waits_for IS NOT NULL;
CREATE INDEX batch_by_parent ON batch (parent) WHERE parent IS NOT NULL;

-- `place` is batch number << 20 | attempt number; `body` as in table attempt.
CREATE TABLE batch_attempt (
    place bigint PRIMARY KEY,
    detail bytea NOT NULL,
    body bytea
);

-- The batches that a delivery has left before they were through: their attempts had it in them.
CREATE TABLE batch_left (
    delivery bigint NOT NULL,
    batch bigint NOT NULL,
    PRIMARY KEY (delivery, batch)
);
CREATE INDEX batch_left_by_batch ON batch_left (batch);

-- What is kept how long: the rules of a tenant, how far retention has looked, and what a cursor went past because something still
-- needed it. By `retention_clock` ages are judged: it follows the clock, but never jumps with it.
CREATE TABLE retention (
    tenant text PRIMARY KEY,
    rules bytea NOT NULL
);
CREATE TABLE retention_cursor (
    what text NOT NULL,
    scope text NOT NULL,
    keep bigint NOT NULL,
    policy text NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (what, scope, keep)
);
CREATE TABLE retention_left (
    what text NOT NULL,
    number bigint NOT NULL,
    PRIMARY KEY (what, number)
);
CREATE TABLE retention_clock (one integer PRIMARY KEY CHECK (one = 1), at bigint NOT NULL);

-- Tallies: one row for each endpoint, one for each tenant (endpoint 0), one for everything (endpoint 0, tenant ''), as they stand
-- after the last change, in `minute`. Each process that writes has a shard of its own, so that none waits for another: what a row says
-- is the sum over the shards, and one alone may be negative.
CREATE TABLE tally (
    tenant text NOT NULL,
    endpoint bigint NOT NULL,
    minute bigint NOT NULL,
    pending bigint NOT NULL,
    dead bigint NOT NULL,
    events bigint NOT NULL,
    attempts_delivered bigint NOT NULL,
    attempts_retry bigint NOT NULL,
    attempts_rejected bigint NOT NULL,
    delivered bigint NOT NULL,
    died bigint NOT NULL,
    cancelled bigint NOT NULL,
    errors bytea NOT NULL,
    attempt_ms bytea NOT NULL,
    delivered_ms bytea NOT NULL,
    shard smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, endpoint, shard)
) WITH (fillfactor = 50);

-- The same rows as they stood at the end of a period of `step` minutes that begins in `minute`. A period in which nothing
-- changed has none: the one before still holds. The packed numbers are compressed.
CREATE TABLE tally_history (
    tenant text NOT NULL,
    endpoint bigint NOT NULL,
    step bigint NOT NULL,
    minute bigint NOT NULL,
    pending bigint NOT NULL,
    dead bigint NOT NULL,
    events bigint NOT NULL,
    attempts_delivered bigint NOT NULL,
    attempts_retry bigint NOT NULL,
    attempts_rejected bigint NOT NULL,
    delivered bigint NOT NULL,
    died bigint NOT NULL,
    cancelled bigint NOT NULL,
    errors bytea NOT NULL,
    attempt_ms bytea NOT NULL,
    delivered_ms bytea NOT NULL,
    oldest_at bigint,
    shard smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, endpoint, shard, step, minute)
);

-- Pending deliveries by 2048 delivery numbers: the oldest is found without passing what was settled. `since` is when the first of
-- them was made. Empty rows are removed by and by.
CREATE TABLE pending_block (
    tenant text NOT NULL,
    endpoint bigint NOT NULL,
    block bigint NOT NULL,
    pending bigint NOT NULL,
    since bigint NOT NULL,
    shard smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, endpoint, block, shard)
) WITH (fillfactor = 50);

-- Notices that wait to become events, what was given up on minute by minute, and how many runs of a job failed in a row.
CREATE TABLE notice (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant text NOT NULL,
    type text NOT NULL,
    about text NOT NULL,
    time bigint NOT NULL,
    data bytea NOT NULL,
    once text NOT NULL
);
CREATE TABLE given_up (
    endpoint bigint NOT NULL,
    minute bigint NOT NULL,
    reason text NOT NULL,
    count bigint NOT NULL,
    delivery_ids text[] NOT NULL,
    PRIMARY KEY (endpoint, minute, reason)
);
CREATE TABLE streak (
    tenant text NOT NULL,
    hash bytea NOT NULL,
    failures bigint NOT NULL,
    at bigint NOT NULL,
    PRIMARY KEY (tenant, hash)
);

-- Erasures: everything about one subject goes, on request. `last` is the head of the log when it was asked for, `progress` how far
-- it is and what it found.
CREATE TABLE erasure (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE,
    tenant text NOT NULL,
    subject_type text NOT NULL,
    subject_id text NOT NULL,
    state text NOT NULL CHECK (state IN ('running', 'finished', 'failed')),
    reason text,
    last bigint NOT NULL,
    progress bytea NOT NULL,
    created_at bigint NOT NULL,
    finished_at bigint
);
CREATE INDEX erasure_by_tenant ON erasure (tenant, number);
CREATE INDEX erasure_running ON erasure (number) WHERE state = 'running';

-- The replicated intake (TOCSIN_NATS): how far each partition of it was accepted, and by what is recognised what comes again. An intake
-- that was made anew has another incarnation.
CREATE TABLE intake (
    partition bigint PRIMARY KEY,
    incarnation text NOT NULL,
    sequence bigint NOT NULL,
    numbers text NOT NULL
) WITH (fillfactor = 50);

-- What came of submissions whose producers were answered `queued`.
CREATE TABLE receipt (
    id text PRIMARY KEY,
    tenant text NOT NULL,
    at bigint NOT NULL,
    status bigint NOT NULL,
    body bytea NOT NULL
);
CREATE INDEX receipt_by_age ON receipt (at);

-- What is larger than two kilobytes is compressed, by the quick way where the server was built with it.
DO $$
BEGIN
    ALTER TABLE event ALTER COLUMN data SET COMPRESSION lz4, ALTER COLUMN cloud SET COMPRESSION lz4;
    ALTER TABLE attempt ALTER COLUMN body SET COMPRESSION lz4, ALTER COLUMN detail SET COMPRESSION lz4;
    ALTER TABLE batch_attempt ALTER COLUMN body SET COMPRESSION lz4, ALTER COLUMN detail SET COMPRESSION lz4;
    ALTER TABLE job ALTER COLUMN snapshot SET COMPRESSION lz4;
    ALTER TABLE tally ALTER COLUMN errors SET COMPRESSION lz4, ALTER COLUMN attempt_ms SET COMPRESSION lz4,
        ALTER COLUMN delivered_ms SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
    NULL;
END
$$;
