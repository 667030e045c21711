INSERT INTO job (tenant, id, state, job_type, mode, name, parent, root, created_at, updated_at, overdue_at, lost_at, snapshot)
VALUES /*row*/ (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) /*row*/
ON CONFLICT (id, tenant) DO UPDATE SET
    state = excluded.state, job_type = excluded.job_type, mode = excluded.mode, name = excluded.name, parent = excluded.parent,
    root = excluded.root, updated_at = excluded.updated_at, overdue_at = excluded.overdue_at, lost_at = excluded.lost_at,
    snapshot = excluded.snapshot
