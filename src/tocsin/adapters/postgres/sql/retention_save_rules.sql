INSERT INTO retention (tenant, rules) VALUES ($1, $2) ON CONFLICT (tenant) DO UPDATE SET rules = excluded.rules
