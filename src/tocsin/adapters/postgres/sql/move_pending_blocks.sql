INSERT INTO pending_block (tenant, endpoint, block, pending, since) VALUES /*row*/ ($1, $2, $3, $4, $5) /*row*/
ON CONFLICT (tenant, endpoint, block) DO UPDATE
SET pending = pending + excluded.pending, since = min(since, excluded.since)
