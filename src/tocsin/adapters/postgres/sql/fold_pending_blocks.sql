WITH gone AS (
    DELETE FROM pending_block WHERE (tenant, endpoint, block) IN (SELECT tenant, endpoint, block FROM pending_block WHERE shard > 0)
    RETURNING tenant, endpoint, block, pending, since
)
INSERT INTO pending_block (tenant, endpoint, block, pending, since)
SELECT tenant, endpoint, block, sum(pending), min(since) FROM gone GROUP BY tenant, endpoint, block
