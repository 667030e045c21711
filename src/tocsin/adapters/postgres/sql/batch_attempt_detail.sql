SELECT detail FROM batch_attempt WHERE place = $1
