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
    ) AS newest
    WHERE batch IS NOT NULL
    GROUP BY batch
    ORDER BY batch DESC
    LIMIT :limit
) AS m JOIN batch AS b ON b.number = m.batch JOIN batch_attempt AS a
    ON a.place > (b.number << 20 | greatest(b.attempts - :each, 0)) AND a.place < (b.number + 1) << 20
