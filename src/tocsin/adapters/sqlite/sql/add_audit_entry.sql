INSERT INTO audit (id, at, tenant, actor_key, actor_name, actor_role, action, target, before, after)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
