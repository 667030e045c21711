SELECT id, side, other, began_at, is_over FROM transfer WHERE one = 1
