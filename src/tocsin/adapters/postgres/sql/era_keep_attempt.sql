INSERT INTO attempt
SELECT a.*
FROM unnest($1::bigint[]) AS kept (number) JOIN /*era*/ attempt_0 /*era*/ AS a ON a.place >= kept.number << 20 AND a.place < (kept.number + 1) << 20
