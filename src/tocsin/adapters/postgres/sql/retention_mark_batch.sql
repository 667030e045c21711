UPDATE batch SET removed = $1 WHERE number = $2
