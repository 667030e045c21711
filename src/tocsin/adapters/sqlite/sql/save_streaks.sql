INSERT INTO streak (tenant, hash, failures, at) VALUES /*row*/ (?, ?, ?, ?) /*row*/
ON CONFLICT (tenant, hash) DO UPDATE SET failures = excluded.failures, at = excluded.at
