INSERT INTO batch_left (delivery, batch)
SELECT number, batch FROM delivery WHERE number = ANY($1) AND batch IS NOT NULL
ON CONFLICT DO NOTHING
