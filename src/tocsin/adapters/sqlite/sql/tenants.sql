-- The names of tenants that have a tally, after one name, each found by one step in the index.
WITH RECURSIVE name(tenant) AS (
    SELECT min(tenant) FROM tally WHERE tenant > :after
    UNION ALL
    SELECT (SELECT min(tenant) FROM tally WHERE tenant > name.tenant) FROM name WHERE name.tenant IS NOT NULL
    LIMIT :limit
)
SELECT tenant FROM name WHERE tenant IS NOT NULL
