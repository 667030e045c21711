INSERT INTO sign_in_link (hash, ends_at) VALUES (:hash, :ends_at)
