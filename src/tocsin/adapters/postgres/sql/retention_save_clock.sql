INSERT INTO retention_clock (one, at) VALUES (1, $1) ON CONFLICT (one) DO UPDATE SET at = excluded.at
