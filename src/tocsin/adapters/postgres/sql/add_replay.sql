INSERT INTO replay (id, tenant, endpoint, state, filters, only_these, dead_reason, rate_per_second, new_webhook_ids, since, until, position, last,
    total, made, done, failed, created_at)
VALUES ($1, $2, $3, 'running', $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0, 0, 0, $14)
RETURNING number
