DELETE FROM pending_block AS b USING unnest($1::text[], $2::bigint[]) AS scope (tenant, endpoint)
WHERE b.tenant = scope.tenant AND b.endpoint = scope.endpoint AND b.pending = 0
