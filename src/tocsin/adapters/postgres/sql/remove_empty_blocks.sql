-- Rows of several shards that come to nothing together. What somebody else is just changing is left as it is: whatever rows come to
-- nothing can go, and the sum of the others stays.
WITH locked AS MATERIALIZED (
    SELECT b.tenant, b.endpoint, b.block, b.shard, b.pending
    FROM pending_block AS b JOIN unnest($1::text::text[], $2::text::bigint[]) AS scope (tenant, endpoint) USING (tenant, endpoint)
    FOR UPDATE OF b SKIP LOCKED
), empty AS (
    SELECT tenant, endpoint, block FROM locked GROUP BY tenant, endpoint, block HAVING sum(pending) = 0
)
DELETE FROM pending_block AS b USING locked JOIN empty USING (tenant, endpoint, block)
WHERE b.tenant = locked.tenant AND b.endpoint = locked.endpoint AND b.block = locked.block AND b.shard = locked.shard
