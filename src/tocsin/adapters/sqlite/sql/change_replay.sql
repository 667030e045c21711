UPDATE replay SET state = ?, reason = ? WHERE number = ? AND state = ?
