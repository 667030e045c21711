INSERT INTO replay (id, tenant, endpoint, state, filters, only_these, rate_per_second, new_webhook_ids, since, until, position, last,
    total, made, created_at)
VALUES (?, ?, ?, 'running', ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?)
RETURNING number
