INSERT INTO line (endpoint, lane, key, delivery)
SELECT * FROM unnest($1::text::bigint[], $2::text::bigint[], $3::text::bigint[], $4::text::bigint[])
