-- Erasures: everything about one subject goes, on request. `last` is the head of the log when it was asked for, `progress` how far
-- it is and what it found. Times are milliseconds since 1970-01-01 UTC.

CREATE TABLE erasure (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    subject_type TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('running', 'finished', 'failed')),
    reason TEXT,
    last INTEGER NOT NULL,
    progress BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    finished_at INTEGER
) STRICT;
CREATE INDEX erasure_by_tenant ON erasure (tenant, number);
CREATE INDEX erasure_running ON erasure (number) WHERE state = 'running';

-- The batches that a delivery has left before they were through: their attempts had it in them.
CREATE TABLE batch_left (
    delivery INTEGER NOT NULL,
    batch INTEGER NOT NULL,
    PRIMARY KEY (delivery, batch)
) STRICT, WITHOUT ROWID;
