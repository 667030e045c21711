INSERT INTO audit (id, at, tenant, actor_key, actor_name, actor_role, action, target, before, after)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
