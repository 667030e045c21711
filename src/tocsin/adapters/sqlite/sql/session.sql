SELECT k.id, k.name, k.role, k.tenant, s.started_at, s.seen_at, s.is_by_link
FROM session s JOIN api_key k ON k.id = s.key
WHERE s.hash = :hash AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > :now)
