INSERT INTO notice (tenant, type, about, time, data, once) VALUES (?, ?, ?, ?, ?, ?)
