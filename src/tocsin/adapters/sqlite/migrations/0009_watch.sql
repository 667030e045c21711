-- Notices that wait to become events, what was given up on minute by minute, and how many runs of a job failed in a row. Times in
-- milliseconds since 1970-01-01 UTC, `minute` in minutes.

CREATE TABLE notice (
    number INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    type TEXT NOT NULL,
    about TEXT NOT NULL,
    time INTEGER NOT NULL,
    data BLOB NOT NULL,
    once TEXT NOT NULL
) STRICT;

CREATE TABLE given_up (
    endpoint INTEGER NOT NULL,
    minute INTEGER NOT NULL,
    reason TEXT NOT NULL,
    count INTEGER NOT NULL,
    delivery_ids TEXT NOT NULL,
    PRIMARY KEY (endpoint, minute, reason)
) STRICT, WITHOUT ROWID;

-- Only jobs whose last run failed have a row. `hash` is of the job's type and name, or of its id where it has no name.
CREATE TABLE streak (
    tenant TEXT NOT NULL,
    hash BLOB NOT NULL,
    failures INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (tenant, hash)
) STRICT, WITHOUT ROWID;
