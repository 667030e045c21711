SELECT pending, dead FROM tally
WHERE pending >= 0
    AND tenant = '' AND endpoint = 0 --? !tenant !endpoint
    AND tenant = :tenant AND endpoint = 0 --? tenant !endpoint
    AND tenant = :tenant AND endpoint = (SELECT number FROM endpoint WHERE id = :endpoint) --? tenant endpoint
    AND (tenant, endpoint) = (SELECT tenant, number FROM endpoint WHERE id = :endpoint) --? !tenant endpoint
