DELETE FROM job WHERE id = ? AND tenant = ?
