SELECT scope.tenant, scope.endpoint, b.since
FROM unnest($1::text[], $2::bigint[]) AS scope (tenant, endpoint) CROSS JOIN LATERAL (
    SELECT since FROM pending_block WHERE tenant = scope.tenant AND endpoint = scope.endpoint AND pending > 0 ORDER BY block LIMIT 1
) AS b
