SELECT DISTINCT a.tenant, a.route, a.key, a.body_hash, a.status, a.body
FROM answer AS a JOIN unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) AS asked (tenant, route, key, after)
    USING (tenant, route, key)
WHERE a.at > asked.after
