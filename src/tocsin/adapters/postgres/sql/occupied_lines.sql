SELECT wanted.endpoint, wanted.lane, wanted.key
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS wanted (endpoint, lane, key)
WHERE EXISTS (SELECT 1 FROM line AS l WHERE l.endpoint = wanted.endpoint AND l.lane = wanted.lane AND l.key = wanted.key)
