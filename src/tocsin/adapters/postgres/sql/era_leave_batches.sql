DELETE FROM batch_left WHERE delivery >= $1 AND delivery < $2 AND delivery <> ALL($3::bigint[])
