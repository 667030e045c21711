UPDATE replay SET filters = ? WHERE number = ?
