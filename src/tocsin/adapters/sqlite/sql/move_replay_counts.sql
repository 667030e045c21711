UPDATE replay SET pending = pending + ?, done = done + ?, failed = failed + ? WHERE number = ?
