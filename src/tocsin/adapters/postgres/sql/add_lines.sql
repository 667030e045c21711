INSERT INTO line (endpoint, lane, key, delivery)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[])
