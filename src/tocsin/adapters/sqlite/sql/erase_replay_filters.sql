UPDATE replay SET filters = ?, dead_reason = ? WHERE number = ?
