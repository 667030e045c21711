SELECT wanted.endpoint, wanted.lane, wanted.key
FROM unnest($1::text::bigint[], $2::text::bigint[], $3::text::bigint[]) AS wanted (endpoint, lane, key)
WHERE EXISTS (SELECT 1 FROM line AS l WHERE l.endpoint = wanted.endpoint AND l.lane = wanted.lane AND l.key = wanted.key)
