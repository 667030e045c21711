SELECT sum(pending)::bigint, sum(dead)::bigint FROM tally
WHERE shard >= 0
    AND tenant = '' AND endpoint = 0 --? !tenant !endpoint
    AND tenant = :tenant AND endpoint = 0 --? tenant !endpoint
    AND tenant = :tenant AND endpoint = (SELECT number FROM endpoint WHERE id = :endpoint) --? tenant endpoint
    AND (tenant, endpoint) = (SELECT tenant, number FROM endpoint WHERE id = :endpoint) --? !tenant endpoint
HAVING count(*) > 0
