DELETE FROM batch_left WHERE delivery = ANY($1)
