SELECT r.number, r.id, r.tenant, r.endpoint, p.id, r.state, r.reason, r.filters, r.only_these, r.dead_reason, r.rate_per_second, r.new_webhook_ids,
    r.since, r.until, r.position, r.last, r.total, r.made,
    r.done, r.failed, r.created_at, r.finished_at
FROM replay AS r JOIN endpoint AS p ON p.number = r.endpoint
WHERE r.number > 0
    AND r.tenant = :tenant --? tenant
    AND r.number < :before --? before
    AND r.id = :id --? id
    AND r.endpoint = (SELECT number FROM endpoint WHERE id = :endpoint) --? endpoint
    AND r.state = :state --? state
    AND r.finished_at IS NULL --? under_way
ORDER BY r.number DESC
LIMIT :limit --? limit
