UPDATE batch SET removed = ? WHERE number = ?
