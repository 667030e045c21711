-- When a job is overdue, and when it is lost, if nothing else is heard of it. Times are milliseconds since 1970-01-01 UTC.

ALTER TABLE job ADD COLUMN overdue_at INTEGER;
ALTER TABLE job ADD COLUMN lost_at INTEGER;
CREATE INDEX job_by_overdue ON job (overdue_at) WHERE overdue_at IS NOT NULL;
CREATE INDEX job_by_lost ON job (lost_at) WHERE lost_at IS NOT NULL;
