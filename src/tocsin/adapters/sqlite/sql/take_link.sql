DELETE FROM sign_in_link WHERE hash = :hash RETURNING ends_at
