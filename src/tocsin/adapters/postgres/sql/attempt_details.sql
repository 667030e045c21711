SELECT place, detail FROM attempt WHERE place = ANY($1)
