-- Replays: each has a lane of deliveries, which has its number. Times are milliseconds since 1970-01-01 UTC.

CREATE TABLE replay (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    endpoint INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('running', 'paused', 'finished', 'cancelled', 'failed')),
    reason TEXT,
    filters BLOB NOT NULL,
    only_these TEXT NOT NULL,
    dead_reason TEXT,
    rate_per_second REAL,
    new_webhook_ids INTEGER NOT NULL,
    since INTEGER,
    until INTEGER,
    position INTEGER NOT NULL,
    last INTEGER NOT NULL,
    total INTEGER NOT NULL,
    made INTEGER NOT NULL,
    done INTEGER,
    failed INTEGER,
    created_at INTEGER NOT NULL,
    finished_at INTEGER
) STRICT;
CREATE INDEX replay_by_tenant ON replay (tenant, number);
CREATE INDEX replay_under_way ON replay (number) WHERE finished_at IS NULL;

-- One delivery for each event of a replay; and its progress.
CREATE UNIQUE INDEX delivery_of_replay ON delivery (lane, position) WHERE lane > 0;
CREATE INDEX delivery_by_lane ON delivery (lane, state) WHERE lane > 0;
