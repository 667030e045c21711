-- Data keys, each wrapped by the master key whose id stands beside it; and the audit log. Times are milliseconds since 1970-01-01 UTC.

CREATE TABLE data_key (
    id INTEGER PRIMARY KEY,
    master_key TEXT NOT NULL,
    wrapped BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE audit (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    at INTEGER NOT NULL,
    tenant TEXT,
    actor_key TEXT,
    actor_name TEXT,
    actor_role TEXT,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    before BLOB,
    after BLOB
) STRICT;
CREATE INDEX audit_by_tenant ON audit (tenant, number);
CREATE INDEX audit_by_target ON audit (target, number);
CREATE INDEX audit_by_actor ON audit (actor_key, number);

-- A revoked key stays, so that its value cannot be made a key again.
ALTER TABLE api_key ADD COLUMN revoked_at INTEGER;
