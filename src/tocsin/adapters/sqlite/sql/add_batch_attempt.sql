INSERT INTO batch_attempt (place, detail, body) VALUES (?, ?, ?)
