SELECT number, tenant FROM endpoint WHERE deleted_at IS NOT NULL AND EXISTS (
    SELECT 1 FROM delivery
    WHERE state <> 'delivered' AND state = 'pending' AND tenant = endpoint.tenant AND endpoint = endpoint.number
)
