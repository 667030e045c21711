SELECT place, detail FROM batch_attempt WHERE place = ANY($1)
