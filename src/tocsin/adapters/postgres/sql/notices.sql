SELECT number, type, tenant, about, time, data, once FROM notice ORDER BY number LIMIT $1
