-- Batches: fixed members, one request. A member that is pending is sent with its batch only. Times are milliseconds since
-- 1970-01-01 UTC.

CREATE TABLE batch (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    endpoint INTEGER NOT NULL,
    lane INTEGER NOT NULL,
    parent INTEGER,
    state TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'dead', 'split')),
    due_at INTEGER NOT NULL,
    step INTEGER NOT NULL,
    at_once INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    settled_at INTEGER
) STRICT;
CREATE INDEX batch_pending ON batch (endpoint, lane, due_at, number) WHERE state = 'pending';

ALTER TABLE delivery ADD COLUMN batch INTEGER;
CREATE INDEX delivery_by_batch ON delivery (batch, number) WHERE batch IS NOT NULL;

-- `place` is batch number << 20 | attempt number; `body` as in table attempt.
CREATE TABLE batch_attempt (
    place INTEGER PRIMARY KEY,
    detail BLOB NOT NULL,
    body BLOB
) STRICT;
