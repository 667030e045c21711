-- What each endpoint's tally grew by from minute `since` to minute `until`: its row holds the end, where nothing has changed since.
SELECT e.number, e.id, e.tenant, e.revision, e.active_from, e.created_at, e.config, w.pending, w.dead, w.attempts, w.failures
FROM (
    SELECT t.endpoint, t.pending, t.dead,
        CASE WHEN t.minute < :until THEN t.attempts_retry + t.attempts_rejected
            ELSE coalesce(u.attempts_retry + u.attempts_rejected, 0) END
            - coalesce(s.attempts_retry + s.attempts_rejected, 0) AS failures,
        CASE WHEN t.minute < :until THEN t.attempts_delivered + t.attempts_retry + t.attempts_rejected
            ELSE coalesce(u.attempts_delivered + u.attempts_retry + u.attempts_rejected, 0) END
            - coalesce(s.attempts_delivered + s.attempts_retry + s.attempts_rejected, 0) AS attempts
    FROM tally AS t
        LEFT JOIN tally_history AS s ON s.tenant = t.tenant AND s.endpoint = t.endpoint AND s.step = :step AND s.minute = (
            SELECT max(minute) FROM tally_history
            WHERE tenant = t.tenant AND endpoint = t.endpoint AND step = :step AND minute < :since
        )
        LEFT JOIN tally_history AS u ON t.minute >= :until AND u.tenant = t.tenant AND u.endpoint = t.endpoint AND u.step = :step
            AND u.minute = (
                SELECT max(minute) FROM tally_history
                WHERE tenant = t.tenant AND endpoint = t.endpoint AND step = :step AND minute < :until
            )
    WHERE t.endpoint > 0 AND t.minute >= :since AND t.attempts_retry + t.attempts_rejected > 0
        AND t.tenant = :tenant --? tenant
) AS w JOIN endpoint AS e ON e.number = w.endpoint
WHERE w.failures > 0 AND e.deleted_at IS NULL
ORDER BY w.failures DESC, w.endpoint
LIMIT :limit
