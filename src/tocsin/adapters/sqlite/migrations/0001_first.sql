-- The first schema. Times are milliseconds since 1970-01-01 UTC.

CREATE TABLE event (
    position INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    type TEXT NOT NULL,
    subject_type TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    verb TEXT NOT NULL,
    time INTEGER NOT NULL,
    accepted_at INTEGER NOT NULL,
    keys TEXT,
    cloud BLOB,
    data BLOB NOT NULL
) STRICT;
CREATE INDEX event_by_tenant ON event (tenant, position);
-- By blocks of 2048 positions, so that new rows go to few pages near its end; whoever looks for a subject looks into each block.
CREATE INDEX event_by_subject ON event (position >> 11, subject_id, tenant) WHERE subject_id <> '';

CREATE TABLE job (
    number INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    state TEXT NOT NULL,
    job_type TEXT NOT NULL,
    mode TEXT NOT NULL DEFAULT 'batch',
    name TEXT,
    parent TEXT,
    root TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    snapshot BLOB NOT NULL,
    UNIQUE (id, tenant)
) STRICT;
CREATE INDEX job_by_parent ON job (parent, tenant, number) WHERE parent IS NOT NULL;
CREATE INDEX job_by_tenant ON job (tenant, number);

CREATE TABLE seen (
    tenant TEXT NOT NULL,
    hash BLOB NOT NULL,
    event_id TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (tenant, hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE answer (
    tenant TEXT NOT NULL,
    route TEXT NOT NULL,
    key TEXT NOT NULL,
    body_hash BLOB NOT NULL,
    status INTEGER NOT NULL,
    body BLOB NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (tenant, route, key)
) STRICT;

CREATE TABLE version (
    tenant TEXT NOT NULL,
    version_id INTEGER NOT NULL,
    content_hash BLOB NOT NULL,
    event_ids TEXT NOT NULL,
    PRIMARY KEY (tenant, version_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE tenant (
    name TEXT PRIMARY KEY,
    version_counter INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE cursor (
    partition INTEGER PRIMARY KEY,
    position INTEGER NOT NULL,
    endpoint INTEGER NOT NULL,
    epoch INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO cursor VALUES (0, 0, 0, 0);

-- The last commit group that has no better proof: looked up when it is not known whether a COMMIT came through.
CREATE TABLE commit_group (one INTEGER PRIMARY KEY CHECK (one = 1), number INTEGER NOT NULL) STRICT;
INSERT INTO commit_group VALUES (1, 0);

-- Grows with each change of an endpoint, so that fan-out never works from an older list; `endpoint.moved` is the revision
-- in which it changed last.
CREATE TABLE directory (one INTEGER PRIMARY KEY CHECK (one = 1), revision INTEGER NOT NULL) STRICT;
INSERT INTO directory VALUES (1, 1);

CREATE TABLE endpoint (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    revision INTEGER NOT NULL,
    active_from INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    deleted_at INTEGER,
    moved INTEGER NOT NULL,
    config BLOB NOT NULL
) STRICT;
CREATE INDEX endpoint_by_move ON endpoint (moved);
CREATE INDEX endpoint_by_tenant ON endpoint (tenant, number) WHERE deleted_at IS NULL;

CREATE TABLE standing (
    endpoint INTEGER PRIMARY KEY,
    state BLOB NOT NULL
) STRICT;

CREATE TABLE delivery (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    endpoint INTEGER NOT NULL,
    position INTEGER NOT NULL,
    lane INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'dead', 'cancelled')),
    reason TEXT,
    blocked INTEGER NOT NULL CHECK (blocked >= 0),
    due_at INTEGER NOT NULL,
    step INTEGER NOT NULL,
    at_once INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    settled_at INTEGER,
    resend_of INTEGER
) STRICT;
CREATE INDEX delivery_pending ON delivery (endpoint, lane, blocked, due_at, number) WHERE state = 'pending';
CREATE INDEX delivery_by_event ON delivery (position);
CREATE INDEX delivery_by_endpoint ON delivery (endpoint, number);
CREATE INDEX delivery_by_tenant ON delivery (tenant, number);
CREATE INDEX delivery_given_up ON delivery (state, tenant, number) WHERE state IN ('dead', 'cancelled');

-- The lines of an ordered endpoint: who waits for whom. `key` is a 64-bit hash; a collision only makes somebody wait.
CREATE TABLE line (
    endpoint INTEGER NOT NULL,
    lane INTEGER NOT NULL,
    key INTEGER NOT NULL,
    delivery INTEGER NOT NULL,
    PRIMARY KEY (endpoint, lane, key, delivery)
) STRICT, WITHOUT ROWID;
CREATE INDEX line_by_delivery ON line (delivery);

-- `place` is delivery number << 20 | attempt number. `body` is null where it is the one of an earlier attempt.
CREATE TABLE attempt (
    place INTEGER PRIMARY KEY,
    detail BLOB NOT NULL,
    body BLOB
) STRICT;

CREATE TABLE api_key (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    tenant TEXT,
    hash BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    last_used_at INTEGER
) STRICT;

-- Who is signed in to the web interface, and links that sign in once; by the SHA-256 of what only the browser has.
CREATE TABLE session (
    hash BLOB PRIMARY KEY,
    key TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    is_by_link INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX session_by_key ON session (key, seen_at);
CREATE INDEX session_by_use ON session (seen_at);

CREATE TABLE sign_in_link (
    hash BLOB PRIMARY KEY,
    ends_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
