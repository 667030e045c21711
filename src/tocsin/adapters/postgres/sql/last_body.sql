SELECT body FROM attempt WHERE place >= $1 AND place < $2 AND body IS NOT NULL ORDER BY place DESC LIMIT 1
