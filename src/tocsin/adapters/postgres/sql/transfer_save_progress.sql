INSERT INTO transfer_progress (name, after, rows, digest, is_checked)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (name) DO UPDATE SET
    after = excluded.after, rows = excluded.rows, digest = excluded.digest, is_checked = excluded.is_checked
