INSERT INTO retention (tenant, rules) VALUES (?, ?) ON CONFLICT (tenant) DO UPDATE SET rules = excluded.rules
