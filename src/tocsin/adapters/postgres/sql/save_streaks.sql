INSERT INTO streak (tenant, hash, failures, at) VALUES /*row*/ ($1, $2, $3, $4) /*row*/
ON CONFLICT (tenant, hash) DO UPDATE SET failures = excluded.failures, at = excluded.at
