SELECT place, detail FROM attempt WHERE place IN (SELECT value FROM carray(?))
