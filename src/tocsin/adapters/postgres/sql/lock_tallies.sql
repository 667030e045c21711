SELECT t.tenant, t.endpoint, t.minute, t.pending, t.dead, t.events, t.attempts_delivered, t.attempts_retry, t.attempts_rejected,
    t.delivered, t.died, t.cancelled, t.errors, t.attempt_ms, t.delivered_ms
FROM tally AS t JOIN unnest($1::text[], $2::bigint[]) AS asked (tenant, endpoint) USING (tenant, endpoint)
ORDER BY t.tenant, t.endpoint
FOR NO KEY UPDATE OF t
