SELECT t.tenant, t.endpoint, t.minute, t.pending, t.dead, t.events, t.attempts_delivered, t.attempts_retry, t.attempts_rejected,
    t.delivered, t.died, t.cancelled, t.errors, t.attempt_ms, t.delivered_ms
FROM unnest($2::text::text[], $3::text::bigint[]) AS asked (tenant, endpoint)
    CROSS JOIN LATERAL (SELECT * FROM tally WHERE tenant = asked.tenant AND endpoint = asked.endpoint AND shard = $1) AS t
