UPDATE api_key SET last_used_at = ? WHERE id = ?
