SELECT s.tenant, s.hash, s.event_id
FROM unnest($1::text::text[], $2::bytea[]) AS asked (tenant, hash)
    CROSS JOIN LATERAL (SELECT * FROM seen WHERE tenant = asked.tenant AND hash = asked.hash) AS s
