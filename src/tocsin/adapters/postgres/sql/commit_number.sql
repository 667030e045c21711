-- While the transaction that numbers its COMMIT is under way, this waits for it.
SELECT number FROM committed WHERE writer = $1 FOR UPDATE
