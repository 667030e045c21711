DELETE FROM sign_in_link WHERE ends_at <= :now
OR hash NOT IN (SELECT hash FROM sign_in_link ORDER BY ends_at DESC LIMIT :limit)
