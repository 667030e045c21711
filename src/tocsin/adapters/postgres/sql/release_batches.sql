UPDATE batch SET waits_for = (SELECT b.waits_for FROM batch AS b WHERE b.number = batch.waits_for)
WHERE waits_for = $1 RETURNING number
