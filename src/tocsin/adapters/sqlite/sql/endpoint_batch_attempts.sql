SELECT m.id, a.detail
FROM (
    SELECT batch, max(id) AS id
    FROM (
        SELECT batch, id FROM delivery
        WHERE endpoint = :endpoint --? !tenant
        WHERE endpoint = (SELECT number FROM endpoint WHERE number = :endpoint AND tenant = :tenant) --? tenant
            AND number < :below
        ORDER BY number DESC
        LIMIT :deliveries
    )
    WHERE batch IS NOT NULL
    GROUP BY batch
    ORDER BY batch DESC
    LIMIT :limit
) AS m CROSS JOIN batch AS b ON b.number = m.batch CROSS JOIN batch_attempt AS a
    ON a.place > (b.number << 20 | max(b.attempts - :each, 0)) AND a.place < (b.number + 1) << 20
