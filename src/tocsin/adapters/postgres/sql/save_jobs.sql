INSERT INTO job (tenant, id, state, job_type, mode, name, parent, root, created_at, updated_at, overdue_at, lost_at, snapshot)
SELECT * FROM unnest($1::text::text[], $2::text::text[], $3::text::text[], $4::text::text[], $5::text::text[], $6::text::text[], $7::text::text[], $8::text::text[], $9::text::bigint[], $10::text::bigint[], $11::text::bigint[], $12::text::bigint[], $13::bytea[])
ON CONFLICT (id, tenant) DO UPDATE SET
    state = excluded.state, job_type = excluded.job_type, mode = excluded.mode, name = excluded.name, parent = excluded.parent,
    root = excluded.root, updated_at = excluded.updated_at, overdue_at = excluded.overdue_at, lost_at = excluded.lost_at,
    snapshot = excluded.snapshot
