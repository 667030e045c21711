INSERT INTO replay (id, tenant, endpoint, state, filters, only_these, dead_reason, rate_per_second, new_webhook_ids, since, until, position, last,
    total, made, done, failed, created_at)
VALUES (?, ?, ?, 'running', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, ?)
RETURNING number
