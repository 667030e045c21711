SELECT detail FROM attempt WHERE place = ?
