SELECT place, detail FROM batch_attempt WHERE place >= $1 << 20 AND place < ($1 + 1) << 20
