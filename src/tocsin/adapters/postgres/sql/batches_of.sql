SELECT batch FROM delivery WHERE number = ANY($1::text::bigint[]) AND batch IS NOT NULL
UNION
SELECT batch FROM batch_left WHERE delivery = ANY($1::text::bigint[])
