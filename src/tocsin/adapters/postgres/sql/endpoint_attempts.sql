SELECT d.id, a.detail
FROM (
    SELECT number, id, attempts
    FROM (
        SELECT number, id, attempts FROM delivery
        WHERE endpoint = :endpoint --? !tenant
        WHERE endpoint = (SELECT number FROM endpoint WHERE number = :endpoint AND tenant = :tenant) --? tenant
            AND number < :below
        ORDER BY number DESC
        LIMIT :deliveries
    ) AS newest
    WHERE attempts > 0
    ORDER BY number DESC
    LIMIT :limit
) AS d JOIN attempt AS a
    ON a.place > (d.number << 20 | greatest(d.attempts - :each, 0)) AND a.place < (d.number + 1) << 20
