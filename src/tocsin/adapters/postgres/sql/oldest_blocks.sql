SELECT scope.tenant, scope.endpoint, b.since
FROM unnest($1::text::text[], $2::text::bigint[]) AS scope (tenant, endpoint) CROSS JOIN LATERAL (
    SELECT min(since) AS since FROM pending_block WHERE tenant = scope.tenant AND endpoint = scope.endpoint
    GROUP BY block HAVING sum(pending) > 0 ORDER BY block LIMIT 1
) AS b
