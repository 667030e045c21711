-- What is kept how long. Times are milliseconds since 1970-01-01 UTC.

-- The rules of a tenant, as it gave them.
CREATE TABLE retention (
    tenant TEXT PRIMARY KEY,
    rules BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- How far retention has looked: at positions for rows, else at delivery numbers. `scope` is a tenant, or empty for all that have no
-- rules of their own. One for each time to keep, as each finds its own; `policy` is what the rules were when it began.
CREATE TABLE retention_cursor (
    what TEXT NOT NULL,
    scope TEXT NOT NULL,
    keep INTEGER NOT NULL,
    policy TEXT NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (what, scope, keep)
) STRICT, WITHOUT ROWID;

-- What a cursor went past because something still needed it.
CREATE TABLE retention_left (
    what TEXT NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (what, number)
) STRICT, WITHOUT ROWID;

-- By which time ages are judged: it follows the clock, but never jumps with it.
CREATE TABLE retention_clock (one INTEGER PRIMARY KEY CHECK (one = 1), at INTEGER NOT NULL) STRICT;

-- What was removed of a batch already: 1 bodies, 2 attempts.
ALTER TABLE batch ADD COLUMN removed INTEGER NOT NULL DEFAULT 0;
CREATE INDEX batch_by_parent ON batch (parent) WHERE parent IS NOT NULL;
