SELECT number, id, at, tenant, actor_key, actor_name, actor_role, action, target, before, after
FROM audit
WHERE number > 0
    AND tenant = :tenant --? tenant
    AND number < :before --? before
    AND target = :target --? target
    AND actor_key = :actor --? actor
    AND action = :action --? action
    AND at >= :since --? since
    AND at < :until --? until
ORDER BY number DESC
LIMIT :limit
