DELETE FROM streak USING unnest($1::text::text[], $2::bytea[]) AS over (tenant, hash)
WHERE streak.tenant = over.tenant AND streak.hash = over.hash
