SELECT place, detail FROM batch_attempt WHERE place IN (SELECT value FROM carray(?))
