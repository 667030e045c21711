INSERT INTO session (hash, key, started_at, seen_at, is_by_link) VALUES (:hash, :key, :now, :now, :is_by_link)
