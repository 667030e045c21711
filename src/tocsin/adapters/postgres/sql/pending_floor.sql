SELECT block << 11 FROM pending_block
WHERE block >= 0
    AND tenant = '' AND endpoint = 0 --? !tenant !endpoint
    AND tenant = :tenant AND endpoint = 0 --? tenant !endpoint
    AND tenant = (SELECT tenant FROM endpoint WHERE id = :endpoint) --? endpoint
    AND endpoint = (SELECT number FROM endpoint WHERE id = :endpoint) --? endpoint
    AND block <= CAST(:before AS bigint) >> 11 --? before
GROUP BY block
HAVING sum(pending) > 0
ORDER BY block DESC
LIMIT 1 OFFSET :budget
