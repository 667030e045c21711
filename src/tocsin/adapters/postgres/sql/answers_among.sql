SELECT DISTINCT a.tenant, a.route, a.key, a.body_hash, a.status, a.body, a.at
FROM answer AS a JOIN unnest($1::text::text[], $2::text::text[], $3::text::text[]) AS asked (tenant, route, key) USING (tenant, route, key)
