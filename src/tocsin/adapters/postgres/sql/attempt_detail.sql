SELECT detail FROM attempt WHERE place = $1
