DELETE FROM batch_attempt WHERE place >= $1::bigint << 20 AND place < ($1::bigint + 1) << 20
