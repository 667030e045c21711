SELECT tenant, hash, at FROM streak WHERE (tenant, hash) > (:tenant, :key) ORDER BY tenant, hash LIMIT :limit
