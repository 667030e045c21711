INSERT INTO intake (partition, incarnation, sequence, numbers)
SELECT partition, incarnation, 0, '{}' FROM unnest($1::bigint[], $2::text[]) AS made (partition, incarnation)
ON CONFLICT (partition) DO NOTHING
