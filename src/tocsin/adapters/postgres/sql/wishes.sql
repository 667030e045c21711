SELECT w.number, w.wish FROM standing_wish w JOIN endpoint e ON e.number = w.endpoint WHERE e.deleted_at IS NULL ORDER BY w.number
