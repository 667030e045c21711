UPDATE intake SET sequence = moved.new, numbers = moved.numbers
FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::text[]) AS moved (partition, incarnation, old, new, numbers)
WHERE intake.partition = moved.partition AND intake.incarnation = moved.incarnation AND intake.sequence = moved.old
