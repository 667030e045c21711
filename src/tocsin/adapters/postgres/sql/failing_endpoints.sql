-- What the shards of each endpoint's tally grew by from minute `since` to minute `until`: its row holds the end, where nothing has
-- changed since.
SELECT e.number, e.id, e.tenant, e.revision, e.active_from, e.created_at, e.config, now.pending, now.dead, w.attempts, w.failures
FROM (
    SELECT t.tenant, t.endpoint,
        sum(CASE WHEN t.minute < :until THEN t.attempts_retry + t.attempts_rejected ELSE coalesce(u.failures, 0) END
            - coalesce(s.failures, 0))::bigint AS failures,
        sum(CASE WHEN t.minute < :until THEN t.attempts_delivered + t.attempts_retry + t.attempts_rejected ELSE coalesce(u.attempts, 0) END
            - coalesce(s.attempts, 0))::bigint AS attempts
    FROM tally AS t
        LEFT JOIN LATERAL (
            SELECT attempts_retry + attempts_rejected AS failures, attempts_delivered + attempts_retry + attempts_rejected AS attempts
            FROM tally_history AS h
            WHERE h.tenant = t.tenant AND h.endpoint = t.endpoint AND h.shard = t.shard AND h.step = :step AND h.minute < :since
            ORDER BY h.minute DESC LIMIT 1
        ) AS s ON true
        LEFT JOIN LATERAL (
            SELECT attempts_retry + attempts_rejected AS failures, attempts_delivered + attempts_retry + attempts_rejected AS attempts
            FROM tally_history AS h
            WHERE t.minute >= :until AND h.tenant = t.tenant AND h.endpoint = t.endpoint AND h.shard = t.shard AND h.step = :step AND h.minute < :until
            ORDER BY h.minute DESC LIMIT 1
        ) AS u ON true
    WHERE t.endpoint > 0 AND t.minute >= :since AND t.attempts_retry + t.attempts_rejected > 0
        AND t.tenant = :tenant --? tenant
    GROUP BY t.tenant, t.endpoint
) AS w JOIN endpoint AS e ON e.number = w.endpoint CROSS JOIN LATERAL (
    SELECT sum(pending)::bigint AS pending, sum(dead)::bigint AS dead FROM tally AS t WHERE t.tenant = w.tenant AND t.endpoint = w.endpoint
) AS now
WHERE w.failures > 0 AND e.deleted_at IS NULL
ORDER BY w.failures DESC, w.endpoint
LIMIT :limit
