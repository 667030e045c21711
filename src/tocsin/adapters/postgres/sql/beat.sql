WITH me AS (UPDATE node SET beats = beats + 1, is_watching = $2 WHERE epoch = $1 RETURNING epoch)
SELECT
    ARRAY(SELECT epoch FROM node WHERE epoch <> $1 ORDER BY epoch),
    ARRAY(SELECT name FROM node WHERE epoch <> $1 ORDER BY epoch),
    ARRAY(SELECT beats FROM node WHERE epoch <> $1 ORDER BY epoch),
    ARRAY(SELECT is_watching FROM node WHERE epoch <> $1 ORDER BY epoch),
    ARRAY(SELECT coalesce(holder, 0) FROM cursor ORDER BY partition),
    ARRAY(SELECT number FROM revision ORDER BY what),
    (SELECT revision FROM directory WHERE one = 1),
    CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)
FROM me
