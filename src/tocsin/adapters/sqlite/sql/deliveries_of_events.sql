SELECT position, number, endpoint, state = 'pending', batch
FROM delivery
WHERE position IN (SELECT value FROM carray(?)) AND (position, number) > (?, ?)
ORDER BY position, number LIMIT ?
