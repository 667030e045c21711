SELECT 1 FROM delivery WHERE position >= ? AND position < ? LIMIT 1 OFFSET ?
