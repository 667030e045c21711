INSERT INTO pending_block (tenant, endpoint, block, pending, since)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])
ORDER BY 1, 2, 3
ON CONFLICT (tenant, endpoint, block) DO UPDATE
SET pending = pending_block.pending + excluded.pending, since = least(pending_block.since, excluded.since)
