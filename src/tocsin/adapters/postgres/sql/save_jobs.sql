INSERT INTO job (tenant, id, state, job_type, parent, root, created_at, updated_at, overdue_at, lost_at, snapshot)
VALUES /*row*/ ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) /*row*/
ON CONFLICT (id, tenant) DO UPDATE SET
    state = excluded.state, job_type = excluded.job_type, parent = excluded.parent, root = excluded.root,
    updated_at = excluded.updated_at, overdue_at = excluded.overdue_at, lost_at = excluded.lost_at, snapshot = excluded.snapshot
