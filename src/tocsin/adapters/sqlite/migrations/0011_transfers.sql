-- The last transfer to or from another store; and, while this one is filled by it, how far each table is. `digest` is the sum of the
-- SHA-256 of its rows, `after` the key of the last one. Times are milliseconds since 1970-01-01 UTC.

CREATE TABLE transfer (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id TEXT NOT NULL,
    side TEXT NOT NULL CHECK (side IN ('source', 'target')),
    other TEXT NOT NULL,
    began_at INTEGER NOT NULL,
    is_over INTEGER NOT NULL
) STRICT;

CREATE TABLE transfer_progress (
    name TEXT PRIMARY KEY,
    after BLOB NOT NULL,
    rows INTEGER NOT NULL,
    digest BLOB NOT NULL,
    is_checked INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
