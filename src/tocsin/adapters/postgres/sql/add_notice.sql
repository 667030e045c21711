INSERT INTO notice (tenant, type, about, time, data, once) VALUES ($1, $2, $3, $4, $5, $6)
