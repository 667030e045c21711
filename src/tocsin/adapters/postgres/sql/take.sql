WITH mine AS (
    SELECT epoch FROM node WHERE epoch = $1 FOR KEY SHARE
), free AS (
    SELECT partition FROM cursor WHERE holder IS NULL ORDER BY partition LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE cursor SET holder = mine.epoch FROM mine, free WHERE cursor.partition = free.partition
RETURNING cursor.partition, position, endpoint,
    CAST(extract(epoch FROM clock_timestamp() - fenced_at) * 1000 AS bigint) AS fenced_ago_ms
