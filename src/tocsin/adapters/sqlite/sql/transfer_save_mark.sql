INSERT INTO transfer (one, id, side, other, began_at, is_over)
VALUES (1, ?, ?, ?, ?, ?)
ON CONFLICT (one) DO UPDATE SET
    id = excluded.id, side = excluded.side, other = excluded.other, began_at = excluded.began_at, is_over = excluded.is_over
