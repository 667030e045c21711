-- The last transfer to or from another store; and, while this one is filled by it, how far each table is. `digest` is the sum of the
-- SHA-256 of its rows, `after` the key of the last one. Times are milliseconds since 1970-01-01 UTC.

CREATE TABLE transfer (
    one integer PRIMARY KEY CHECK (one = 1),
    id text NOT NULL,
    side text NOT NULL CHECK (side IN ('source', 'target')),
    other text NOT NULL,
    began_at bigint NOT NULL,
    is_over bigint NOT NULL
);

CREATE TABLE transfer_progress (
    name text PRIMARY KEY,
    after bytea NOT NULL,
    rows bigint NOT NULL,
    digest bytea NOT NULL,
    is_checked bigint NOT NULL
);
