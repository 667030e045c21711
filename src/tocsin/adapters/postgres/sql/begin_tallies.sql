INSERT INTO tally (tenant, endpoint, minute, pending, dead, events, attempts_delivered, attempts_retry, attempts_rejected, delivered,
    died, cancelled, errors, attempt_ms, delivered_ms)
SELECT tenant, endpoint, $3, 0, 0, 0, 0, 0, 0, 0, 0, 0, '', '', ''
FROM unnest($1::text[], $2::bigint[]) AS new (tenant, endpoint)
ORDER BY tenant, endpoint
ON CONFLICT DO NOTHING
