INSERT INTO job (tenant, id, state, job_type, mode, name, parent, root, created_at, updated_at, overdue_at, lost_at, snapshot)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bytea[])
ON CONFLICT (id, tenant) DO UPDATE SET
    state = excluded.state, job_type = excluded.job_type, mode = excluded.mode, name = excluded.name, parent = excluded.parent,
    root = excluded.root, updated_at = excluded.updated_at, overdue_at = excluded.overdue_at, lost_at = excluded.lost_at,
    snapshot = excluded.snapshot
