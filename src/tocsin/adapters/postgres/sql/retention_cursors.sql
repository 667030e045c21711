SELECT what, scope, keep, policy, position FROM retention_cursor
