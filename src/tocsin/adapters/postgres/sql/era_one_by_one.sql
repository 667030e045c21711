-- Events that go by themselves: dead deliveries are counted, and deliveries that came late would stay behind.
SELECT DISTINCT position FROM delivery
WHERE position > $1 AND position < $2 AND (state = 'dead' OR number >= $3)
ORDER BY position LIMIT $4
