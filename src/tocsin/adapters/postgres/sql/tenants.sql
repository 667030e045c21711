-- The names of tenants that have a tally, after one name, each found by one step in the index.
WITH RECURSIVE name (tenant, nth) AS (
    SELECT (SELECT min(tenant) FROM tally WHERE tenant > $1), 1
    UNION ALL
    SELECT (SELECT min(tenant) FROM tally WHERE tenant > name.tenant), nth + 1 FROM name WHERE name.tenant IS NOT NULL AND nth < $2
)
SELECT tenant FROM name WHERE tenant IS NOT NULL
