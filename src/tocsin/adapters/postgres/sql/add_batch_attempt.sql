INSERT INTO batch_attempt (place, detail, body) VALUES ($1, $2, $3)
