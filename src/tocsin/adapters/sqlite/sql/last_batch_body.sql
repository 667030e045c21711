SELECT body FROM batch_attempt WHERE place >= ? AND place < ? AND body IS NOT NULL ORDER BY place DESC LIMIT 1
