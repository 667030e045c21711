INSERT INTO node (name) VALUES ($1) RETURNING epoch
